// Sends the form of a long job again and again, so that nobody has to press its button.
document.querySelector("form[data-continue]")?.requestSubmit();
