"""Writing LLVM IR as text: a function under construction, with structured control flow over variables on its stack.

LLVM turns the variables into registers (mem2reg), so code is written here as it would be in C.
"""

from __future__ import annotations

import platform
from collections.abc import Generator
from contextlib import contextmanager

LIKELY, UNLIKELY = ", !prof !0", ", !prof !1"
METADATA = """
!0 = !{!"branch_weights", i32 2000, i32 1}
!1 = !{!"branch_weights", i32 1, i32 2000}
!2 = !{}
"""


# How handlers call each other. Without registers to preserve, a handler has nothing to save beside its rare calls.
HANDLER_CC = "preserve_nonecc" if platform.machine() in ("x86_64", "AMD64", "aarch64", "arm64") else "ccc"


class Function:
    """One function. Methods emit an instruction and return the name of its value."""

    def __init__(
        self, name: str, returns: str, parameters: str, *, linkage: str = "", attributes: str = "nounwind"
    ) -> None:
        self._head = f"define {linkage} {returns} @{name}({parameters}) {attributes} {{"
        self.name, self._returns, self._parameters = name, returns, parameters
        self._lines: list[str] = []
        self._entry: list[str] = []
        self._count = 0
        self.declared: set[str] = set()
        self._ended = False

    # --- text

    def line(self, text: str) -> None:
        if not self._ended:
            self._lines.append("  " + text)

    def value(self, text: str) -> str:
        self._count += 1
        name = f"%t{self._count}"
        self.line(f"{name} = {text}")
        return name

    def label(self) -> str:
        self._count += 1
        return f"L{self._count}"

    def place(self, label: str) -> None:
        """Begin a block; the one before must have ended."""
        self._lines.append(f"{label}:")
        self._ended = False

    def end(self, text: str) -> None:
        """A terminator."""
        self.line(text)
        self._ended = True

    def text(self) -> str:
        return "\n".join([self._head, "entry:", *self._entry, *self._lines, "}", ""])

    def declaration(self) -> str:
        types = ", ".join(part.rsplit(" ", 1)[0] for part in self._parameters.split(", ")) if self._parameters else ""
        return f"declare {self._returns} @{self.name}({types})"

    # --- instructions

    def variable(self, kind: str, initial: str | int | None = None) -> str:
        """The address of a local variable."""
        self._count += 1
        name = f"%v{self._count}"
        self._entry.append(f"  {name} = alloca {kind}")
        if initial is not None:
            self.store(kind, initial, name)
        return name

    def load(self, kind: str, address: str, more: str = "") -> str:
        return self.value(f"load {kind}, ptr {address}{more}")

    def store(self, kind: str, value: str | int, address: str, more: str = "") -> None:
        self.line(f"store {kind} {value}, ptr {address}{more}")

    def offset(self, base: str, offset: str | int) -> str:
        """An address ``offset`` bytes after ``base``."""
        return self.value(f"getelementptr i8, ptr {base}, i64 {offset}") if offset not in (0, "0") else base

    def field(self, kind: str, base: str, offset: int) -> str:
        return self.load(kind, self.offset(base, offset))

    def set_field(self, kind: str, base: str, offset: int, value: str | int) -> None:
        self.store(kind, value, self.offset(base, offset))

    def binary(self, operation: str, kind: str, one: str | int, other: str | int) -> str:
        return self.value(f"{operation} {kind} {one}, {other}")

    def compare(self, condition: str, kind: str, one: str | int, other: str | int) -> str:
        return self.value(f"icmp {condition} {kind} {one}, {other}")

    def select(self, condition: str, kind: str, one: str | int, other: str | int) -> str:
        return self.value(f"select i1 {condition}, {kind} {one}, {kind} {other}")

    def cast(self, operation: str, kind: str, value: str | int, to: str) -> str:
        return self.value(f"{operation} {kind} {value} to {to}")

    def call(self, returns: str, function: str, arguments: str) -> str:
        if returns.endswith("void"):
            self.line(f"call {returns} {function}({arguments})")
            return ""
        return self.value(f"call {returns} {function}({arguments})")

    def intrinsic(self, name: str, returns: str, kinds: str, arguments: str) -> str:
        """A call of an LLVM intrinsic, which is declared by itself."""
        self.declared.add(f"declare {returns} @{name}({kinds})")
        return self.call(returns, f"@{name}", arguments)

    def ret(self, kind: str = "void", value: str | int = "") -> None:
        self.end(f"ret {kind} {value}".rstrip())

    # --- control flow

    def branch(self, condition: str, then: str, otherwise: str, weights: str = "") -> None:
        self.end(f"br i1 {condition}, label %{then}, label %{otherwise}{weights}")

    def jump(self, label: str) -> None:
        self.end(f"br label %{label}")

    @contextmanager
    def when(self, condition: str, weights: str = "") -> Generator[None]:
        """if (condition) { ... }"""
        then, after = self.label(), self.label()
        self.branch(condition, then, after, weights)
        self.place(then)
        yield
        self.jump(after)
        self.place(after)

    @contextmanager
    def forever(self) -> Generator[tuple[str, str]]:
        """for (;;) { ... }; gives the labels to continue at and to break to."""
        head, after = self.label(), self.label()
        self.jump(head)
        self.place(head)
        yield head, after
        self.jump(head)
        self.place(after)

    @contextmanager
    def count_up(self, limit: str | int, kind: str = "i64") -> Generator[tuple[str, str]]:
        """for (i = 0; i < limit; i++) { ... }; gives i and the label to break to."""
        variable = self.variable(kind, 0)
        with self.forever() as (_, after):
            index = self.load(kind, variable)
            body = self.label()
            self.branch(self.compare("ult", kind, index, limit), body, after)
            self.place(body)
            yield index, after
            self.store(kind, self.binary("add", kind, index, 1), variable)


class Merge:
    """A value that is known when a condition holds, and is computed in the block otherwise: the last of the list."""

    def __init__(self, out: Function, condition: str, known: str) -> None:
        self._out, self._known, self._values = out, known, list[str]()
        self._from, self._other, self._after = out.label(), out.label(), out.label()
        out.branch(condition, self._from, self._other, LIKELY)
        out.place(self._from)
        out.jump(self._after)
        out.place(self._other)

    def __enter__(self) -> list[str]:
        return self._values

    def __exit__(self, *_: object) -> None:
        out = self._out
        end = out.label()
        out.jump(end)
        out.place(end)
        out.jump(self._after)
        out.place(self._after)
        self._values.append(out.value(f"phi ptr [ {self._known}, %{self._from} ], [ {self._values[-1]}, %{end} ]"))
