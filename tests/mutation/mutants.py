"""Mutants: one small change each to a module's syntax tree, compiled, nothing written."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import CodeType

_COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_FUNCTIONS = {
    "min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list",
    "at_least": "at_most", "at_most": "at_least",
}  # fmt: skip
_METHODS = {
    "lower": "upper", "startswith": "endswith", "endswith": "startswith", "rstrip": "lstrip",
    "strip": "rstrip", "partition": "rpartition", "append": "remove", "log1p": "log",
    "ceil": "floor", "setdefault": "get",
}  # fmt: skip
#: Fields that decide nothing at run time, or are advice for people.
_LEFT_OUT = {"annotation", "returns", "decorator_list", "bases", "format_spec"}
_ADVICE = "remedy"

Change = tuple[str, ast.AST]
Key = tuple[str, int]


@dataclass(frozen=True)
class Mutant:
    """One change; ``name`` is the assigned name where it is a module's constant."""

    path: Path
    module: str
    line: int
    column: int
    label: str
    code: CodeType
    functions: tuple[Key, ...]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.line}:{self.column} {self.label}"


def mutants_of(path: Path, package: Path) -> Iterator[Mutant]:
    """Every mutant of a module, but those of class bodies, which are there once only."""
    tree = ast.parse(path.read_text())
    original = {key_of(code): code for code in codes(_compiled(tree, path))}
    module = str(path.relative_to(package).with_suffix("")).replace("/", ".")
    for statement in tree.body:
        name = _assigned(statement)
        for node, (label, new) in _changes_in(statement):
            if not name and not _in_function(statement, node):
                continue
            code = _compiled(_replaced(tree, node, new), path)
            found = tuple(
                key_of(part) for part in codes(code) if _differs(part, original.get(key_of(part)))
            )
            place = node if hasattr(node, "lineno") else node.target
            yield Mutant(path, module, place.lineno, place.col_offset, label, code, found, name)


def codes(code: CodeType) -> Iterator[CodeType]:
    """Every code object inside another."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from codes(part)


def key_of(code: CodeType) -> Key:
    """What stays the same of a function when something in it changes."""
    return code.co_qualname, code.co_firstlineno


def _differs(code: CodeType, original: CodeType | None) -> bool:
    return original is None or any(
        getattr(code, part) != getattr(original, part)
        for part in ("co_code", "co_consts", "co_names")
    )


def _compiled(tree: ast.AST, path: Path) -> CodeType:
    return compile(ast.fix_missing_locations(tree), str(path), "exec", dont_inherit=True)


def _assigned(statement: ast.stmt) -> str:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return "" if names == ["__all__"] or _is_type(statement) else "".join(names)


def _is_type(statement: ast.stmt) -> bool:
    """Whether it is an alias for the type checker."""
    value = getattr(statement, "value", None)
    head = getattr(value, "func", None) or getattr(value, "value", None)
    return isinstance(head, ast.Name) and head.id in ("Literal", "TypeVar")


def _in_function(statement: ast.stmt, node: ast.AST) -> bool:
    body = statement.body if isinstance(statement, ast.ClassDef) else [statement]
    functions = [item for item in body if isinstance(item, ast.FunctionDef)]
    return any(node is inner for item in functions for inner in _inside(item.body))


def _inside(body: list[ast.stmt]) -> Iterator[ast.AST]:
    return chain.from_iterable(map(ast.walk, body))


class _Replacer:
    """A copy of a tree, in which one node is another."""

    def __init__(self, node: ast.AST, new: ast.AST) -> None:
        self._node, self._new = node, new

    def copy(self, value: object) -> object:
        if value is self._node:
            return ast.copy_location(self._new, self._node)
        if isinstance(value, list):
            return [self.copy(item) for item in value]
        if not isinstance(value, ast.AST):
            return value
        fields = {name: self.copy(part) for name, part in ast.iter_fields(value)}
        return ast.copy_location(type(value)(**fields), value)


def _replaced(tree: ast.Module, node: ast.AST, new: ast.AST) -> ast.AST:
    return _Replacer(node, new).copy(tree)


def _changes_in(node: ast.AST, parent: ast.AST | None = None) -> Iterator[tuple[ast.AST, Change]]:
    """Each node below this one, with each change of it."""
    if isinstance(node, ast.keyword) and node.arg == _ADVICE:
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    operator = _OPERATORS.get(type(node))
    if operator is not None and not isinstance(parent, ast.JoinedStr):
        yield from ((node, change) for change in operator(node))
    for name, value in ast.iter_fields(node):
        if name not in _LEFT_OUT:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _changes_in(child, node)


def _comparison(node: ast.Compare) -> Iterator[Change]:
    for place, operator in enumerate(node.ops):
        for new in _COMPARISONS[type(operator)]:
            operators = [*node.ops[:place], new(), *node.ops[place + 1 :]]
            label = f"{type(operator).__name__} → {new.__name__}"
            yield label, ast.Compare(node.left, operators, node.comparators)


def _and_or(node: ast.BoolOp) -> Iterator[Change]:
    new = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield f"→ {new.__name__}", ast.BoolOp(new(), node.values)
    for place in range(len(node.values)):
        rest = node.values[:place] + node.values[place + 1 :]
        kept = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        yield f"operand {place + 1} dropped", kept


def _unary(node: ast.UnaryOp) -> Iterator[Change]:
    yield f"{type(node.op).__name__} dropped", node.operand


def _arithmetic(node: ast.BinOp) -> Iterator[Change]:
    new = _ARITHMETIC[type(node.op)]
    yield f"{type(node.op).__name__} → {new.__name__}", ast.BinOp(node.left, new(), node.right)


def _ternary(node: ast.IfExp) -> Iterator[Change]:
    yield "always the first", node.body
    yield "always the other", node.orelse


def _condition(node: ast.If | ast.While) -> Iterator[Change]:
    negated = ast.UnaryOp(ast.Not(), node.test)
    yield "condition negated", type(node)(negated, node.body, node.orelse)


def _filters(node: ast.comprehension) -> Iterator[Change]:
    for place in range(len(node.ifs)):
        ifs = node.ifs[:place] + node.ifs[place + 1 :]
        yield "filter dropped", ast.comprehension(node.target, node.iter, ifs, node.is_async)


def _constant(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    news: list[object] = []
    if isinstance(value, bool):
        news = [not value]
    elif isinstance(value, int):
        news = [value + 1, value - 1] if value else [1]
    elif isinstance(value, float):
        news = [value + 1, value / 2] if value else [1.0]
    elif isinstance(value, str) and " " not in value.strip():
        news = [f"XX{value}XX"]
    yield from ((f"{value!r} → {new!r}", ast.Constant(new)) for new in news)


def _call(node: ast.Call) -> Iterator[Change]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in _FUNCTIONS:
        new = _FUNCTIONS[function.id]
        keywords = [] if new == "list" else node.keywords
        yield f"{function.id} → {new}", ast.Call(ast.Name(new, ast.Load()), node.args, keywords)
    elif isinstance(function, ast.Attribute) and function.attr in _METHODS:
        new = _METHODS[function.attr]
        method = ast.Attribute(function.value, new, ast.Load())
        yield f".{function.attr} → .{new}", ast.Call(method, node.args, node.keywords)


def _return(node: ast.Return) -> Iterator[Change]:
    if node.value is not None and not isinstance(node.value, ast.Constant):
        yield "returns None", ast.Return(ast.Constant(None))


def _expression(node: ast.Expr) -> Iterator[Change]:
    """The statement dropped; a function with a ``yield`` in it stays a generator."""
    if isinstance(node.value, ast.Yield | ast.YieldFrom):
        never = ast.IfExp(ast.Constant(False), node.value, ast.Constant(None))
        yield "statement dropped", ast.Expr(never)
    else:
        yield "statement dropped", ast.Pass()


def _dropped(node: ast.stmt) -> Iterator[Change]:
    yield f"{type(node).__name__} dropped", ast.Pass()


def _exchanged(node: ast.Break | ast.Continue) -> Iterator[Change]:
    new = ast.Continue if isinstance(node, ast.Break) else ast.Break
    yield f"→ {new.__name__}", new()


_OPERATORS: dict[type, Callable[..., Iterator[Change]]] = {
    ast.Compare: _comparison, ast.BoolOp: _and_or, ast.UnaryOp: _unary, ast.BinOp: _arithmetic,
    ast.IfExp: _ternary, ast.If: _condition, ast.While: _condition, ast.comprehension: _filters,
    ast.Constant: _constant, ast.Call: _call, ast.Return: _return, ast.Expr: _expression,
    ast.AugAssign: _dropped, ast.Raise: _dropped, ast.Break: _exchanged, ast.Continue: _exchanged,
}  # fmt: skip
