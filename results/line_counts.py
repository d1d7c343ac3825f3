"""Lines of ten definitions beside those of Arm's pseudocode: `python results/line_counts.py FILE`.

FILE is Arm's A64 pseudocode in the form that mra_tools makes of the ISA XML (`arch_instrs.asl`; github.com/UQ-PAC/aslp
has it under mra_tools/arch); it is read to be counted, and nothing of it is here. Counted on either side are the lines
of one instruction that are neither empty nor comments: Arm's decode of one encoding, what follows every decode, and
its operation; ours with the decorator, and with the helpers and tables of the specification's own folder that the
definition names, without docstrings. Shared functions (AddWithCarry, Mem) count on neither side; ours are in
reference/pseudocode.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tabulate import tabulate

from assay64.reference import definitions

# Our definition, and the instructions of Arm's whose diagrams it holds (of vector_permute's three, one).
TEN = (
    ("add_sub_shifted_register", ("aarch64_integer_arithmetic_add_sub_shiftedreg",)),
    ("bitfield", ("aarch64_integer_bitfield",)),
    ("crc32", ("aarch64_integer_crc",)),
    ("branch_conditional", ("aarch64_branch_conditional_cond",)),
    ("load_store_pair", ("aarch64_memory_pair_general_post_idx", "aarch64_memory_pair_general_no_alloc")),
    ("compare_and_swap_pair", ("aarch64_memory_atomicops_cas_pair",)),
    ("fp_three_source", ("aarch64_float_arithmetic_mul_add_sub",)),
    ("fp_to_integer", ("aarch64_float_convert_int",)),
    ("vector_table", ("aarch64_vector_transfer_vector_table",)),
    ("vector_permute", ("aarch64_vector_transfer_vector_permute_zip",)),
)


def ours(name: str) -> int:
    """Lines of the definition, and of the helpers and tables of its own folder that it names."""
    definition = next(one for one in definitions() if one.name == name)
    counted = dict[str, int]()

    def count(path: Path, wanted: str) -> None:
        source = path.read_text("utf-8")
        for node in ast.parse(source).body:
            if wanted not in _bound_by(node) or f"{path}:{wanted}" in counted:
                continue
            counted[f"{path}:{wanted}"] = _lines(source, node)
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name):
                    count(path, inner.id)
                    if inner.id in imported(path):
                        count(imported(path)[inner.id], inner.id)

    def imported(path: Path) -> dict[str, Path]:
        """The names that a file imports from others of its folder."""
        found = dict[str, Path]()
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module is not None and ".spec." in node.module:
                source = path.parent / f"{node.module.rpartition('.')[2]}.py"
                found |= {alias.name: source for alias in node.names if source.is_file()}
        return found

    count(definition.path, name)
    return sum(counted.values())


def _bound_by(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _lines(source: str, node: ast.stmt) -> int:
    documented = set[int]()
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef) and ast.get_docstring(inner) is not None:
            text = inner.body[0]
            documented |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    lines = source.splitlines()[first - 1 : node.end_lineno]
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in documented
        for number, line in enumerate(lines, first)
    )


def arms(text: str, name: str) -> int:
    """Lines of the first encoding's decode, of what follows every decode, and of the operation."""
    block = text.partition(f"__instruction {name}\n")[2].partition("\n__instruction ")[0]
    if not block:
        raise SystemExit(f"{name}: the file has no such instruction")
    count, counting, decoded = 0, False, False
    for line in block.splitlines():
        word = line.strip()
        if word.startswith("__"):
            counting = word.startswith(("__postdecode", "__execute")) or (word.startswith("__decode") and not decoded)
            decoded |= word.startswith("__decode")
        elif counting and word and not word.startswith("//"):
            count += 1
    return count


def main(path: str) -> None:
    text = Path(path).read_text("utf-8")
    rows = [
        [name, ours(name), sum(arms(text, one) for one in instructions), " + ".join(instructions)]
        for name, instructions in TEN
    ]
    rows.append(["all ten", sum(int(row[1]) for row in rows), sum(int(row[2]) for row in rows), ""])
    table = tabulate(rows, headers=["definition", "lines", "Arm's lines", "Arm's name"], tablefmt="simple")
    sys.stdout.write(f"{table}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit((__doc__ or "").partition("\n")[0])
    main(sys.argv[1])
