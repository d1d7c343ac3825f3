"""What the suites of pointer authentication share: QARMA-64 from its paper, in plain integers, and signed pointers.

R. Avanzi, "The QARMA Block Cipher Family", IACR Transactions on Symmetric Cryptology 2017(1). Nothing here comes from
the specification under test: a cell is a list element, and the decryption half is written as the paper draws it.
"""

from assay64.harness.cases.case import SCTLR_EL1, Environment

ENABLE_ALL = 1 << 31 | 1 << 30 | 1 << 27 | 1 << 13  # SCTLR_EL1.EnIA, EnIB, EnDA, EnDB
PAUTH = ["FEAT_PAuth"]
MODEL = "cortex-a57+FEAT_PAuth"
ENABLED = Environment(model=MODEL, sctlr_el1=SCTLR_EL1 | ENABLE_ALL)
DISABLED = Environment(model=MODEL)
IGNORE_TAGS = Environment(model=MODEL, sctlr_el1=SCTLR_EL1 | ENABLE_ALL, top_byte_ignore=True)
SHORT = Environment(model=MODEL, sctlr_el1=SCTLR_EL1 | ENABLE_ALL, address_bits=39)

# The paper's key w0:k0.
KEY = 0x84BE_85CE_9804_E94B_EC28_02D4_E0A4_88E9
BIT_55 = 1 << 55

_SBOX = [11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10]
_TAU = [0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2]
_H = [6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11]
_CONSTANTS = [0, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89, 0x452821E638D01377]
_ALPHA = 0xC0AC29B7C97C50DD
_MATRIX = [[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1], [1, 2, 1, 0]]


def _cells(value):
    return [value >> 60 - 4 * i & 15 for i in range(16)]


def _number(cells):
    return sum(cell << 60 - 4 * i for i, cell in enumerate(cells))


def _mix(cells):
    rotated = {0: lambda c: 0, 1: lambda c: (c << 1 | c >> 3) & 15, 2: lambda c: (c << 2 | c >> 2) & 15}
    mixed = []
    for row in range(4):
        for column in range(4):
            value = 0
            for k in range(4):
                value ^= rotated[_MATRIX[row][k]](cells[4 * k + column])
            mixed.append(value)
    return mixed


def _forward(value, tweakey, diffuse=True):
    cells = _cells(value ^ tweakey)
    if diffuse:
        cells = _mix([cells[i] for i in _TAU])
    return _number([_SBOX[cell] for cell in cells])


def _backward(value, tweakey, diffuse=True):
    cells = [_SBOX.index(cell) for cell in _cells(value)]
    if diffuse:
        mixed = _mix(cells)
        cells = [mixed[_TAU.index(i)] for i in range(16)]
    return _number(cells) ^ tweakey


def _next_tweak(tweak):
    cells = _cells(tweak)
    cells = [cells[i] for i in _H]
    for i in (0, 1, 3, 4, 8, 11, 13):
        cells[i] = (cells[i] & 1 ^ cells[i] >> 1 & 1) << 3 | cells[i] >> 1
    return _number(cells)


def qarma5(data, tweak, key):
    """QARMA-64 with five rounds and sigma2; ``key`` is w0:k0."""
    w0, k0 = key >> 64, key & (1 << 64) - 1
    w1 = (w0 >> 1 | (w0 & 1) << 63) ^ w0 >> 63
    tweaks = [tweak]
    for _ in range(5):
        tweaks.append(_next_tweak(tweaks[-1]))
    state = data ^ w0
    for i in range(5):
        state = _forward(state, k0 ^ tweaks[i] ^ _CONSTANTS[i], diffuse=i > 0)
    state = _forward(state, w1 ^ tweaks[5])
    cells = _cells(state)
    cells = _cells(_number(_mix([cells[i] for i in _TAU])) ^ k0)  # the reflector
    state = _number([cells[_TAU.index(i)] for i in range(16)])
    state = _backward(state, w0 ^ tweaks[5])
    for i in reversed(range(5)):
        state = _backward(state, k0 ^ tweaks[i] ^ _CONSTANTS[i] ^ _ALPHA, diffuse=i > 0)
    return state ^ w1


def signed(pointer, modifier, key=KEY, address_bits=48, top_byte_ignore=False):
    """A canonical pointer with its code in the bits above the address, but for bit 55."""
    field = (1 << (56 if top_byte_ignore else 64)) - (1 << address_bits) & ~BIT_55
    return pointer & ~field | qarma5(pointer, modifier, key) & field
