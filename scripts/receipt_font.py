"""Make the font of receipts, which is the part of DejaVu Sans that they need.

    python scripts/receipt_font.py

The font is fetched from npm. The script also writes the first lines of the licence, which give the
version and the SHA-256. It needs ``npm`` and the extra ``pdf``, which brings fontTools; the same
version of fontTools writes the same bytes.

The licence allows a changed font any name without "Bitstream", "Vera", "Tavmjong Bah" and "Arev",
so this one keeps the name "DejaVu Sans".
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from vendor import fetch

FONTS = Path(__file__).resolve().parent.parent / "src/quickscale_stripe/receipts/fonts"
VERSION = "2.37.3"
SOURCE_SHA256 = "7da195a74c55bef988d0d48f9508bd5d849425c1770dba5d7bfc6ce9ed848954"

RANGES = [
    (0x0020, 0x06FF),  # Latin, Greek, Cyrillic, Armenian, Hebrew, and Arabic without joined forms
    (0x0E3F, 0x0E3F),  # the baht sign
    (0x10D0, 0x10FF),  # Georgian
    (0x1E00, 0x1EFF),  # more Latin, for Vietnamese and others
    (0x2000, 0x206F),  # punctuation
    (0x2070, 0x209F),  # superscripts and subscripts
    (0x20A0, 0x20CF),  # currencies
    (0x2116, 0x2122),  # signs such as numero and trade mark
    (0x2150, 0x215F),  # fractions
    (0x2190, 0x2199),  # arrows
    (0x2212, 0x2212),  # the minus sign
    (0x2260, 0x2265),  # comparisons
    (0x25A0, 0x25FF),  # squares, triangles and bullets
    (0x2713, 0x2717),  # check marks and crosses
    (0xFB00, 0xFB06),  # Latin ligatures
    (0xFFFD, 0xFFFD),  # the replacement character
]


def main() -> int:
    content = fetch("dejavu-fonts-ttf", VERSION, "ttf/DejaVuSans.ttf")
    if hashlib.sha256(content).hexdigest() != SOURCE_SHA256:
        print("The published font is not the one that was reviewed.", file=sys.stderr)
        return 1
    font = subset(content)
    (FONTS / "DejaVuSans.ttf").write_bytes(font)
    heading = (
        f"DejaVuSans.ttf is part of DejaVu Sans {VERSION[:4]} (https://dejavu-fonts.github.io/),\n"
        "made by scripts/receipt_font.py.\n"
        f"SHA-256: {hashlib.sha256(font).hexdigest()}\n"
    )
    licence = FONTS / "LICENSE.txt"
    _, _, text = licence.read_text().partition("\n\n")
    licence.write_text(f"{heading}\n{text}")
    print(f"{len(font) / 1000:.0f} kB")
    return 0


def subset(content: bytes) -> bytes:
    """Keep ``RANGES``, without hints and shaping tables, which fpdf2 doesn't use."""
    font = TTFont(io.BytesIO(content), recalcTimestamp=False)
    options = Options(hinting=False, layout_features=[], glyph_names=False, notdef_outline=True)
    options.drop_tables += ["FFTM", "GDEF", "GPOS", "GSUB", "MATH", "kern"]
    options.name_IDs = ["*"]  # these include the copyright and the licence
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
    subsetter.subset(font)
    written = io.BytesIO()
    font.save(written)
    return written.getvalue()


if __name__ == "__main__":
    sys.exit(main())
