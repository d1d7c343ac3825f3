"""Reduces two spellings of one instruction to one form, so that a statement can be compared with a disassembly.

`cmp x0, #1` and `subs xzr, x0, #1`, or `lsl x0, x1, #3` and `ubfm x0, x1, #61, #60`, reduce to the same form: aliases
are expanded as the Arm ARM's "alias conditions" define them (C6.2), immediates become numbers, defaults are dropped.
Reduction never merges two instructions with different words; what it does not know it leaves alone, so that a doubt is
a difference. This file must not know words, nor any assembler.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from assay64.harness.cases.assembling.statements import CONDITIONS, split_operands

Form = tuple[str, tuple[str, ...]]
"""A mnemonic and its operands."""

_GENERAL = re.compile(r"[wx](?:\d+|zr)|w?sp")
_REGISTER_SYNONYMS = {"lr": "x30", "fp": "x29", "ip0": "x16", "ip1": "x17"}
_CONDITION_SYNONYMS = {"cs": "hs", "cc": "lo"}
_NUMBER = re.compile(r"(?<![\w.])#?(-?(?:0x[0-9a-f]+|0b[01]+|\d+))(?![\w.])")
_FLOAT = re.compile(r"(?<![\w.])#?(-?\d+\.\d*(?:e[-+]?\d+)?)(?![\w.])")
_RANGE = re.compile(r"\{ ?v(\d+)(\.\w+) ?- ?v(\d+)\2 ?\}")

_HINTS = {
    "nop": 0, "yield": 1, "wfe": 2, "wfi": 3, "sev": 4, "sevl": 5, "dgh": 6, "xpaclri": 7, "pacia1716": 8,
    "pacib1716": 10, "autia1716": 12, "autib1716": 14, "esb": 16, "psb csync": 17, "tsb csync": 18, "csdb": 20,
    "paciaz": 24, "paciasp": 25, "pacibz": 26, "pacibsp": 27, "autiaz": 28, "autiasp": 29, "autibz": 30, "autibsp": 31,
    "bti": 32, "bti c": 34, "bti j": 36, "bti jc": 38,
}  # fmt: skip
_BARRIER_OPTIONS = {
    "oshld": 1, "oshst": 2, "osh": 3, "nshld": 5, "nshst": 6, "nsh": 7, "ishld": 9, "ishst": 10, "ish": 11,
    "ld": 13, "st": 14, "sy": 15,
}  # fmt: skip
_FORMS_ADD_SUB = ("add", "sub", "adds", "subs")
_LOGICAL = ("and", "orr", "eor", "ands", "bic", "orn", "eon", "bics")
_UNSCALED_BYTES = {
    "ldrb": 1, "strb": 1, "ldrsb": 1, "ldrh": 2, "strh": 2, "ldrsh": 2, "ldrsw": 4, "prfm": 8, "ldr": 0, "str": 0,
}  # fmt: skip
_REGISTER_BYTES = {"b": 1, "h": 2, "s": 4, "d": 8, "q": 16, "w": 4, "x": 8}


def canonical(text: str) -> Form:
    """The form of one normalised statement (a template, or a line of Capstone's)."""
    mnemonic, _, rest = text.strip().lower().partition(" ")
    operands = tuple(_operand(operand) for operand in split_operands(rest))
    form = _conditional_branch(mnemonic, operands)
    for _ in range(4):  # an alias of an alias of an alias: tst -> ands, mov -> add, uxtb -> ubfm
        expand = _RULES.get(form[0])
        expanded = expand(*form) if expand else form
        if expanded == form:
            break
        form = expanded
    return form


def _operand(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = _FLOAT.sub(lambda match: repr(float(match[1])), text)
    text = _NUMBER.sub(lambda match: str(_signed(int(match[1], 0))), text)
    text = re.sub(r"\b(lr|fp|ip[01])\b", lambda match: _REGISTER_SYNONYMS[match[1]], text)
    text = _RANGE.sub(_expand_range, text)
    text = re.sub(r"\s*,\s*", ",", text)
    text = re.sub(r"([\[{]) | ([\]}])", r"\1\2", text)
    if text.startswith("["):
        text = text.replace(",0]", "]")
    return _CONDITION_SYNONYMS.get(text, text)


def _signed(value: int) -> int:
    """-96 for 0xffff_ffff_ffff_ffa0: both spellings are in use for an offset."""
    return value - (1 << 64) if 1 << 63 <= value < 1 << 64 else value


def _expand_range(match: re.Match[str]) -> str:
    first, last = int(match[1]), int(match[3])
    count = (last - first) % 32 + 1
    return "{" + ",".join(f"v{(first + i) % 32}{match[2]}" for i in range(count)) + "}"


def _conditional_branch(mnemonic: str, operands: tuple[str, ...]) -> Form:
    if len(operands) == 1 and (match := re.fullmatch(r"(bc\.|b\.?)(\w\w)", mnemonic)):
        condition = _CONDITION_SYNONYMS.get(match[2], match[2])
        if condition in CONDITIONS:
            return ("bc." if match[1] == "bc." else "b.") + condition, operands
    return mnemonic, operands


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _width(register: str) -> int:
    return 32 if register.startswith("w") else 64


def _zero(register: str) -> str:
    return "wzr" if register.startswith("w") else "xzr"


def _is_general(*registers: str) -> bool:
    return all(_GENERAL.fullmatch(register) for register in registers)


def _inverted(condition: str) -> str:
    return CONDITIONS[CONDITIONS.index(condition) ^ 1] if condition in CONDITIONS else f"not {condition}"


def _insert_zero(base: str, position: int, count: Sequence[int]) -> Callable[[str, tuple[str, ...]], Form]:
    """An alias that leaves the zero register out at `position`; `count` are the numbers of operands it can have."""

    def expand(mnemonic: str, operands: tuple[str, ...]) -> Form:
        if len(operands) not in count or not _is_general(operands[0]):
            return mnemonic, operands
        zero = _zero(operands[0])
        return base, (*operands[:position], zero, *operands[position:])

    return expand


def _add_sub(mnemonic: str, operands: tuple[str, ...]) -> Form:
    if len(operands) not in (3, 4) or not _is_general(*operands[:2]):
        return mnemonic, operands
    destination, source, last, *shift = operands
    value = _number(last)
    if value is None:
        if ("sp" in destination or "sp" in source) and shift:
            same = "uxtw" if _width(destination) == 32 else "uxtx"
            shift = [re.sub(rf"{same}\b", "lsl", shift[0]) if shift[0] != same else "lsl 0"]
        elif shift and " " not in shift[0]:
            shift = [shift[0] + " 0"]
        return mnemonic, (destination, source, last, *(s for s in shift if s != "lsl 0"))
    if shift == ["lsl 12"]:
        value <<= 12
    elif shift not in ([], ["lsl 0"]):
        return mnemonic, operands
    if value < 0:
        mnemonic = mnemonic.replace("add", "-").replace("sub", "add").replace("-", "sub")
        value = -value
    high = value >= 4096 or shift == ["lsl 12"]
    if high and value % 4096:
        return mnemonic, operands
    return mnemonic, (destination, source, str(value >> 12 if high else value), *(["lsl 12"] if high else []))


def _logical(mnemonic: str, operands: tuple[str, ...]) -> Form:
    if len(operands) not in (3, 4) or not _is_general(*operands[:2]):
        return mnemonic, operands
    value = _number(operands[2])
    if value is None:
        return mnemonic, operands[:3] if operands[3:] == ("lsl 0",) else operands
    mask = (1 << _width(operands[0])) - 1
    if not -mask - 1 <= value <= mask or len(operands) == 4:
        return mnemonic, operands
    if mnemonic in ("bic", "bics", "orn", "eon"):
        mnemonic, value = {"bic": "and", "bics": "ands", "orn": "orr", "eon": "eor"}[mnemonic], ~value
    return mnemonic, (*operands[:2], str(value & mask))


def _move(mnemonic: str, operands: tuple[str, ...]) -> Form:
    if len(operands) != 2:
        return mnemonic, operands
    destination, source = operands
    value = _number(source)
    if value is not None and _is_general(destination):
        return _move_immediate(destination, value)
    if _is_general(destination, source):
        if "sp" in destination or "sp" in source:
            return "add", (destination, source, "0")
        return "orr", (destination, _zero(destination), source)
    if _is_general(destination):
        return "umov", operands
    if re.fullmatch(r"v\d+\.(8b|16b)", destination):
        return "orr", (destination, source, source)
    return ("ins" if "[" in destination else "dup"), operands


def _move_immediate(destination: str, value: int) -> Form:
    """MOV (wide immediate) before MOV (inverted wide immediate) before MOV (bitmask immediate), as C6.2 orders them."""
    width = _width(destination)
    mask = (1 << width) - 1
    if not -mask - 1 <= value <= mask:
        return "mov", (destination, str(value))
    value &= mask
    for name, plain in (("movz", value), ("movn", ~value & mask)):
        for shift in range(0, width, 16):
            if not plain & ~(0xFFFF << shift) and "sp" not in destination:
                return name, (destination, str(plain >> shift), *([f"lsl {shift}"] if shift else []))
    return "orr", (destination, _zero(destination), str(value))


def _wide(mnemonic: str, operands: tuple[str, ...]) -> Form:
    return mnemonic, operands[:2] if operands[2:] == ("lsl 0",) else operands


def _shift(mnemonic: str, operands: tuple[str, ...]) -> Form:
    if len(operands) != 3 or not _is_general(*operands[:2]):
        return mnemonic, operands
    destination, source, amount = operands
    width, value = _width(destination), _number(amount)
    if value is None:
        return mnemonic + "v", operands
    if not 0 <= value < width:
        return mnemonic, operands
    if mnemonic == "ror":
        return "extr", (destination, source, source, amount)
    if mnemonic == "lsl":
        return "ubfm", (destination, source, str(-value % width), str(width - 1 - value))
    return ("ubfm" if mnemonic == "lsr" else "sbfm"), (destination, source, amount, str(width - 1))


def _bitfield(mnemonic: str, operands: tuple[str, ...]) -> Form:
    if mnemonic == "bfc" and len(operands) == 3:
        operands = (operands[0], _zero(operands[0]), *operands[1:])
    if len(operands) != 4:
        return mnemonic, operands
    destination, source, first, second = operands
    lsb, size, width = _number(first), _number(second), _width(destination)
    if lsb is None or size is None or not (0 <= lsb < width and 1 <= size <= width - lsb):
        return mnemonic, operands
    base = {"u": "ubfm", "s": "sbfm", "b": "bfm"}[mnemonic[0]]
    if mnemonic in ("ubfx", "sbfx", "bfxil"):
        return base, (destination, source, str(lsb), str(lsb + size - 1))
    return base, (destination, source, str(-lsb % width), str(size - 1))


def _extend(mnemonic: str, operands: tuple[str, ...]) -> Form:
    if len(operands) != 2 or not _is_general(*operands):
        return mnemonic, operands
    destination, source = operands
    top = {"b": 7, "h": 15, "w": 31}[mnemonic[-1]]
    same_width = destination[0] + source[1:]
    return ("ubfm" if mnemonic[0] == "u" else "sbfm"), (destination, same_width, "0", str(top))


def _multiply(base: str) -> Callable[[str, tuple[str, ...]], Form]:
    def expand(mnemonic: str, operands: tuple[str, ...]) -> Form:
        if len(operands) != 3 or not _is_general(*operands):
            return mnemonic, operands
        return base, (*operands, _zero(operands[0]))

    return expand


def _conditional_set(mnemonic: str, operands: tuple[str, ...]) -> Form:
    base = {"cset": "csinc", "csetm": "csinv", "cinc": "csinc", "cinv": "csinv", "cneg": "csneg"}[mnemonic]
    if not operands or operands[-1] in ("al", "nv"):
        return mnemonic, operands
    condition = _inverted(operands[-1])
    if mnemonic in ("cset", "csetm") and len(operands) == 2:
        zero = _zero(operands[0])
        return base, (operands[0], zero, zero, condition)
    if len(operands) == 3:
        return base, (operands[0], operands[1], operands[1], condition)
    return mnemonic, operands


def _test_bit(mnemonic: str, operands: tuple[str, ...]) -> Form:
    """The register's width is only the bit number's top bit: `tbz x0, #3` and `tbz w0, #3` are one word."""
    if len(operands) != 3 or not _is_general(operands[0]):
        return mnemonic, operands
    bit = _number(operands[1])
    if bit is not None and bit < 32:
        operands = ("w" + operands[0][1:], *operands[1:])
    return mnemonic, operands


def _hint(mnemonic: str, operands: tuple[str, ...]) -> Form:
    number = _HINTS.get(" ".join((mnemonic, *operands)))
    return (mnemonic, operands) if number is None else ("hint", (str(number),))


def _barrier(mnemonic: str, operands: tuple[str, ...]) -> Form:
    if mnemonic == "ssbb":
        return "dsb", ("0",)
    if mnemonic == "pssbb":
        return "dsb", ("4",)
    if not operands:
        return mnemonic, ("15",)
    return mnemonic, (str(_BARRIER_OPTIONS.get(operands[0], operands[0])), *operands[1:])


def _return(mnemonic: str, operands: tuple[str, ...]) -> Form:
    return mnemonic, operands or ("x30",)


def _load_store(mnemonic: str, operands: tuple[str, ...]) -> Form:
    """An offset that the scaled form cannot hold means the unscaled form: LDR x0, [x1, #-8] is LDUR."""
    if len(operands) != 2:
        return mnemonic, operands
    register, address = operands
    if mnemonic not in ("ldrb", "strb", "ldrsb") and not register.startswith("b"):
        address = address.replace(",lsl 0]", "]").replace("xtw 0]", "xtw]").replace("sxtx 0]", "sxtx]")
    match = re.fullmatch(r"\[(\w+),(-?\d+)\]", address)
    size_bytes = _UNSCALED_BYTES[mnemonic] or _REGISTER_BYTES.get(register[0], 0)
    if match and size_bytes:
        offset = int(match[2])
        if (offset < 0 or offset % size_bytes) and -256 <= offset < 256:
            mnemonic = mnemonic.replace("ldr", "ldur").replace("str", "stur").replace("prfm", "prfum")
    return mnemonic, (register, address)


def _rev64(mnemonic: str, operands: tuple[str, ...]) -> Form:
    return ("rev", operands) if len(operands) == 2 and _is_general(*operands) else (mnemonic, operands)


def _rules() -> dict[str, Callable[[str, tuple[str, ...]], Form]]:
    rules: dict[str, Callable[[str, tuple[str, ...]], Form]] = {
        "cmp": _insert_zero("subs", 0, (2, 3)), "cmn": _insert_zero("adds", 0, (2, 3)),
        "neg": _insert_zero("sub", 1, (2, 3)), "negs": _insert_zero("subs", 1, (2, 3)),
        "ngc": _insert_zero("sbc", 1, (2,)), "ngcs": _insert_zero("sbcs", 1, (2,)),
        "mvn": _insert_zero("orn", 1, (2, 3)), "tst": _insert_zero("ands", 0, (2, 3)),
        "mov": _move, "movz": _wide, "movn": _wide, "movk": _wide, "ret": _return, "rev64": _rev64,
        "tbz": _test_bit, "tbnz": _test_bit,
        "mul": _multiply("madd"), "mneg": _multiply("msub"),
        "smull": _multiply("smaddl"), "umull": _multiply("umaddl"),
        "smnegl": _multiply("smsubl"), "umnegl": _multiply("umsubl"),
    }  # fmt: skip
    families: tuple[tuple[Sequence[str], Callable[[str, tuple[str, ...]], Form]], ...] = (
        (_FORMS_ADD_SUB, _add_sub),
        (_LOGICAL, _logical),
        (("lsl", "lsr", "asr", "ror"), _shift),
        (("ubfx", "ubfiz", "sbfx", "sbfiz", "bfi", "bfxil", "bfc"), _bitfield),
        (("uxtb", "uxth", "uxtw", "sxtb", "sxth", "sxtw"), _extend),
        (("cset", "csetm", "cinc", "cinv", "cneg"), _conditional_set),
        (tuple(name.split()[0] for name in _HINTS), _hint),
        (("dmb", "dsb", "isb", "clrex", "ssbb", "pssbb"), _barrier),
        (tuple(_UNSCALED_BYTES), _load_store),
    )
    for names, rule in families:
        rules.update(dict.fromkeys(names, rule))
    return rules


_RULES = _rules()
