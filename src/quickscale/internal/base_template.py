"""Find out which of our blocks the site's ``base.html`` shows.

The templates are only parsed, not rendered, so this needs no request and no database.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.template import Context, Template
from django.template.base import Node, VariableNode
from django.template.loader import get_template
from django.template.loader_tags import BlockContext, BlockNode, ExtendsNode

BASE = "quickscale/base.html"


def shown_blocks() -> set[str]:
    """Return the names of the blocks that a page extending ``quickscale/base.html`` can fill.

    Raises:
        TemplateDoesNotExist: the site has no ``base.html``, or lacks a template that this extends.
    """
    template: Any = get_template(BASE)
    return _Blocks(template.template).shown


class _Blocks:
    def __init__(self, template: Template) -> None:
        self.shown: set[str] = set()
        self._blocks: Any = BlockContext()
        context = Context()
        with context.bind_template(template):
            while extends := _extends(template):
                self._blocks.add_blocks(extends.blocks)
                template = extends.get_parent(context)
        nodes: Any = template.nodelist
        self._blocks.add_blocks({node.name: node for node in nodes.get_nodes_by_type(BlockNode)})
        self._visit(nodes, None)

    def _visit(self, nodes: Iterable[Node], block: BlockNode | None) -> None:
        for node in nodes:
            if isinstance(node, BlockNode):
                self._visit_block(node)
            elif isinstance(node, VariableNode) and str(node.filter_expression) == "block.super":
                if block and self._blocks.get_block(block.name):
                    self._visit_block(block)
            else:
                for name in node.child_nodelists:
                    self._visit(getattr(node, name, ()), block)

    def _visit_block(self, node: BlockNode) -> None:
        """Visit a block as Django renders it: its overrides are off the stack meanwhile."""
        self.shown.add(node.name)
        override = self._blocks.pop(node.name)
        block = override or node
        self._visit(block.nodelist, block)
        if override:
            self._blocks.push(node.name, override)


def _extends(template: Template) -> ExtendsNode | None:
    return next((node for node in template.nodelist if isinstance(node, ExtendsNode)), None)
