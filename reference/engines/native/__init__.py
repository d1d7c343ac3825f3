"""The native engine: the traced specification compiled through LLVM.

    variants.py   a trace split into what is decided at decode (a variant) and what at execution
    values.py     nodes of the graph as LLVM instructions
    handlers.py   a variant as a handler: the events as loads, stores, calls and branches
    floating_point.py  the host's arithmetic where it is the specification's
    host.py       the host's FPU, and its state while the generated code runs
    decoding.py   the decoder: from a word to its handler and decoded operands
    memory.py     guest memory: the software TLB, faults, code that is written to
    runtime.py    from handler to handler: lookup of code, the instruction budget, single step, batches
    build.py      compiling all that once for each user, and loading it
    engine.py     the processing element that Machine drives

Whatever is rare or complicated ends in an exit that lets golden execute the instruction.
"""
