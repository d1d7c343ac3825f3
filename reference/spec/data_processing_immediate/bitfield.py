"""Bitfield."""

from assay64.reference.pseudocode import ROR, DecodeBitMasks, Replicate, Undefined, X, Zeros, insn


@insn("sf opc:2 100110 N immr:6 imms:6 Rn:5 Rd:5", "opc: SBFM BFM UBFM -")
def bitfield(sf, opc, N, immr, imms, Rn, Rd):
    """SBFM <Xd>, <Xn>, #<immr>, #<imms>"""
    datasize = 64 if sf else 32
    if sf != N or (not sf and (immr[5] or imms[5])):
        raise Undefined
    wmask, tmask = DecodeBitMasks(N, imms, immr, False, datasize)
    src = X[Rn, datasize]
    # BFM keeps the destination's other bits; SBFM repeats the sign above the field, UBFM clears.
    dst = X[Rd, datasize] if opc == 0b01 else Zeros(datasize)
    bot = dst & ~wmask | ROR(src, immr) & wmask
    top = Replicate((src >> imms)[0], datasize) if opc == 0b00 else dst
    X[Rd, datasize] = top & ~tmask | bot & tmask
