"""What a bug can be: small changes of a source text, found in its syntax tree.

Left out is what no test of behaviour can tell: annotations, what only type checkers read, assertions (they tell what is known), exports, how
attrs makes a class, the words of messages, and lines for debugging.
"""

from __future__ import annotations

import ast

import attrs

__all__ = ["Change", "changes", "is_python"]

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
    ast.LShift: ">>",
    ast.RShift: "<<",
}
SYMBOLS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any", "popleft": "pop"}
"""Names that are called."""
DECLARATIONS = {"init", "eq", "slots", "frozen", "kw_only", "hash", "order", "alias", "weakref_slot"}
"""Arguments that say how attrs makes a class."""
TYPING = {"TypeVar", "NewType", "cast", "Literal", "StashKey"}
UNSAID = {"debug"}
"""Nothing is promised of what is said for debugging."""


@attrs.frozen
class Change:
    """One bug: other bytes in the place of some."""

    begin: int
    end: int
    text: str
    line: int
    what: str
    function: range | None
    """The lines of the function around it, if there is one."""

    def applied(self, source: bytes) -> bytes:
        """The source with the bug."""
        return source[: self.begin] + self.text.encode() + source[self.end :]


@attrs.define
class _Finder(ast.NodeVisitor):
    source: bytes
    found: list[Change] = attrs.field(factory=list, init=False)
    _starts: list[int] = attrs.field(init=False)
    _around: list[range] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._starts = [0]
        for line in self.source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    # ------------------------------------------------------------------ places

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.expr | ast.stmt) -> str:
        begin, end = self._span(node)
        return self.source[begin:end].decode()

    def _change(self, node: ast.expr | ast.stmt, text: str, what: str) -> None:
        begin, end = self._span(node)
        self.found.append(Change(begin, end, text, node.lineno, what, self._around[-1] if self._around else None))

    # ------------------------------------------------------------------ what is left out

    def visit_Assert(self, _node: ast.Assert) -> None:
        """It tells what is known."""

    def visit_Import(self, _node: ast.Import) -> None:
        """Not a decision."""

    visit_ImportFrom = visit_Import  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Not what stands in its head."""
        if not any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
            self._visit_all(node.body)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Not its annotation."""
        if node.value is not None:
            self.visit(node.value)

    def visit_arg(self, _node: ast.arg) -> None:
        """Not its annotation."""

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._around.append(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        self._visit_all(node.body)
        self._around.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = _visit_function  # noqa: N815

    def _visit_all(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.visit(statement)

    # ------------------------------------------------------------------ statements

    def visit_Assign(self, node: ast.Assign) -> None:
        """One that is kept may be forgotten."""
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            return
        if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets) and not _awaits(node):
            self._change(node, "pass", "an assignment is left out")
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """One that is left out, and one the other way round."""
        self._change(node, "pass", "a count is left out")
        if type(node.op) in ARITHMETIC and not _is_text(node.value):
            self._change(node, f"{self._text(node.target)} {ARITHMETIC[type(node.op)]}= {self._text(node.value)}", "another operator")
        self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        """A call whose result nobody needs."""
        if isinstance(node.value, ast.Constant):
            return
        called = node.value.func if isinstance(node.value, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in UNSAID:
            return
        if called is not None:
            self._change(node, "pass", "a call is left out")
        self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        """What should go stays; a mere name would only go a little sooner."""
        if not all(isinstance(target, ast.Name) for target in node.targets):
            self._change(node, "pass", "what should go stays")

    def visit_Return(self, node: ast.Return) -> None:
        """Nothing in its place, or going on."""
        if node.value is None:
            self._change(node, "pass", "it goes on")
        elif isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool):
            self._change(node, f"return {not node.value.value}", "the opposite is returned")
        elif not (isinstance(node.value, ast.Constant) and node.value.value is None) and not _awaits(node):
            self._change(node, "return None", "nothing is returned")
            self.visit(node.value)
        else:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Silence; the words of an error are not looked at."""
        self._change(node, "pass", "nothing is raised")

    def visit_Break(self, node: ast.Break) -> None:
        """The next round."""
        self._change(node, "continue", "the loop goes on")

    def visit_Continue(self, node: ast.Continue) -> None:
        """No other round."""
        self._change(node, "break", "the loop ends")

    def visit_If(self, node: ast.If) -> None:
        """The opposite."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self._negate(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        """The opposite."""
        if not isinstance(node.test, ast.Constant):
            self._negate(node.test)
        self.generic_visit(node)

    # ------------------------------------------------------------------ expressions

    def _negate(self, test: ast.expr) -> None:
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.NamedExpr) and not (
            isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        ):
            self._change(test, f"not ({self._text(test)})", "the opposite")

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """The opposite."""
        self._negate(node.test)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """The opposite."""
        if isinstance(node.op, ast.Not):
            self._change(node, f"bool({self._text(node.operand)})", "the opposite")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Another comparison: at the boundary, where there is one, else the opposite."""
        sides = [node.left, *node.comparators]
        for place, operator in enumerate(node.ops):
            words = [self._text(sides[0])]
            for other, (known, side) in enumerate(zip(node.ops, sides[1:], strict=True)):
                words += [COMPARISONS[type(operator)] if other == place else SYMBOLS[type(known)], self._text(side)]
            self._change(node, f"({' '.join(words)})", "another comparison")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """All for any, and each left out."""
        values = [f"({self._text(value)})" for value in node.values]
        word = "or" if isinstance(node.op, ast.And) else "and"
        self._change(node, f"({f' {word} '.join(values)})", "all for any" if word == "and" else "any for all")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Another operator, but not on texts."""
        if type(node.op) in ARITHMETIC and not _is_text(node.left) and not _is_text(node.right):
            self._change(node, f"({self._text(node.left)} {ARITHMETIC[type(node.op)]} {self._text(node.right)})", "another operator")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Another number, the opposite."""
        if isinstance(node.value, bool):
            self._change(node, str(not node.value), "the opposite")
        elif isinstance(node.value, int | float):
            self._change(node, f"({self._text(node)} + 1)", "one more")

    def visit_JoinedStr(self, _node: ast.JoinedStr) -> None:
        """Words."""

    def visit_Call(self, node: ast.Call) -> None:
        """Its opposite, and not what it declares."""
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in TYPING or name in UNSAID:
            return
        if name in SWAPPED:
            self._change(node.func, self._text(node.func).removesuffix(name) + SWAPPED[name], f"{SWAPPED[name]} for {name}")
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in DECLARATIONS:
                self.visit(keyword.value)


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _awaits(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Await | ast.Yield | ast.YieldFrom) for inner in ast.walk(node))


def changes(source: bytes) -> list[Change]:
    """Every bug that can be made of a source, in order of place."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return sorted(finder.found, key=lambda change: (change.begin, change.end, change.text))


def is_python(source: bytes) -> bool:
    """Whether it could be loaded; what nobody can load proves nothing about the tests."""
    try:
        compile(source, "drawn", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True
