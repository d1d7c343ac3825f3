"""The native engine: the traced specification compiled through LLVM.

    variants.py       a trace split into what is decided at decode (a variant) and what at execution
    values.py         nodes of the graph as LLVM instructions
    sums.py           carry and overflow as LLVM has them
    handlers.py       a variant as a handler: the events as loads, stores, calls and branches
    floating_point.py the host's arithmetic where it is the specification's
    host.py           the host's FPU, and its state while the generated code runs
    decoding.py       the decoder: from a word to its handler and decoded operands
    operands.py       where a decoded instruction keeps its operands
    memory.py         an access to guest memory in a handler: the software TLB
    translation.py    behind the TLB: translation, permissions, alignment, faults
    writes.py         stores behind the TLB: code that is written to, monitors
    instruments.py    watchpoints and counters in generated code
    cases.py          the loop over the cases of a batch
    runtime.py        from handler to handler: lookup of code, the instruction budget, single step, batches
    build.py          compiling all that once for each user, and loading it
    engine.py         the processing element that Machine drives
    registers.py      its registers and monitors, which golden borrows
    space.py          its view of guest memory, shared with other elements
    counting.py       the counters' memory, and what they say
    batch.py          many short cases in one call

Whatever is rare or complicated ends in an exit that lets golden execute the instruction.
"""
