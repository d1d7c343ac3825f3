// assay64_run_batch: many cases in one call, as struct assay64_batch describes it. Cases that share their code with the
// one before keep its translation; only pages that a case wrote are compared and restored.
#include "machine.h"

namespace adapter {

namespace {

// The code region while a batch runs: holds one case's words at a time and leaves zeros behind.
class Code {
public:
    Code(assay64_batch& batch, Core& core) : batch_(batch), core_(core) {}
    ~Code() { Put(nullptr, 0); }

    void Put(const std::uint32_t* words, std::uint64_t count) {
        const std::uint64_t size = count * 4, touched = std::max(size, size_);
        if (size == size_ && (size == 0 || std::memcmp(batch_.code_memory, words, size) == 0)) return;
        if (size) std::memcpy(batch_.code_memory, words, size);
        std::memset(batch_.code_memory + size, 0, touched - size);
        core_.Invalidate(batch_.code_address, touched);
        size_ = size;
    }

private:
    assay64_batch& batch_;
    Core& core_;
    std::uint64_t size_ = 0;
};

// The caller's process has the states in its own cache: fetching them while the JIT runs the case before saves a tenth.
void Prefetch(const assay64_state& given, const assay64_state& found) {
    for (std::size_t line = 0; line < sizeof given; line += 64) {
        __builtin_prefetch(reinterpret_cast<const std::uint8_t*>(&found) + line, 1);
        if (&found != &given) __builtin_prefetch(reinterpret_cast<const std::uint8_t*>(&given) + line, 0);
    }
}

class Data {
public:
    Data(assay64_batch& batch, DirtyPages& dirty) : batch_(batch), dirty_(dirty) {
        dirty_.base = batch.data_memory;
        dirty_.size = batch.data_size;
        dirty_.pages.assign((batch.data_size + kPageMask) >> kPageBits, 0);
    }
    ~Data() { dirty_ = DirtyPages{}; }

    // Append the changes of case `index`; false, and none of them, when they do not fit.
    bool Collect(std::uint64_t index) {
        if (!dirty_.any) return true;
        std::uint64_t row = batch_.n_changes;
        bool fits = true;
        EachDirtyPage([&](std::uint64_t begin, std::uint64_t end) {
            for (std::uint64_t offset = begin; offset < end && fits; offset += 8) {
                if (std::memcmp(batch_.data_memory + offset, batch_.data_pristine + offset, 8) == 0) continue;
                fits = row < batch_.changes_capacity;
                if (!fits) break;
                assay64_change& change = batch_.changes[row++];
                change = assay64_change{static_cast<std::uint32_t>(index), 0, batch_.data_address + offset, 0};
                std::memcpy(&change.value, batch_.data_memory + offset, 8);
            }
        });
        if (fits) batch_.n_changes = row;
        return fits;
    }

    void Restore() {
        if (!dirty_.any) return;
        dirty_.any = false;
        EachDirtyPage([&](std::uint64_t begin, std::uint64_t end) {
            std::memcpy(batch_.data_memory + begin, batch_.data_pristine + begin, end - begin);
            dirty_.pages[begin >> kPageBits] = 0;
        });
    }

private:
    template <typename Visit>
    void EachDirtyPage(Visit visit) {
        for (std::size_t page = 0; page < dirty_.pages.size(); ++page)
            if (dirty_.pages[page])
                visit(page << kPageBits, std::min<std::uint64_t>((page + 1) << kPageBits, batch_.data_size));
    }

    assay64_batch& batch_;
    DirtyPages& dirty_;
};

}  // namespace

int RunBatch(assay64_machine& machine, assay64_batch& batch) {
    if (batch.data_size % 8 != 0 || batch.changes_capacity < batch.data_size / 8)
        return machine.Fail(ASSAY64_ERROR, "`changes` must have room for a case that changes the whole data region");
    Core& core = *machine.shared.cores[0];
    Code code(batch, core);
    Data data(batch, core.dirty);
    while (batch.done < batch.n_cases) {
        const std::uint64_t index = batch.done;
        const std::uint64_t words = batch.code_words[index];
        if (words > batch.words_per_row || words * 4 > batch.code_memory_size)
            return machine.Fail(ASSAY64_ERROR, "case " + std::to_string(index) + " has more code than fits");
        const assay64_state& initial = batch.initial[index];
        if (initial.size != sizeof initial || initial.version != ASSAY64_VERSION)
            return machine.Fail(ASSAY64_ERROR, "struct assay64_state has another size or version");
        if (index + 1 < batch.n_cases) Prefetch(batch.initial[index + 1], batch.final_state[index + 1]);
        code.Put(batch.code + index * batch.words_per_row, words);
        core.SetState(initial);
        if (!core.Run(batch.budget, batch.code_address + 4 * words, batch.exits[index])) {
            data.Restore();
            return machine.Fail(ASSAY64_ERROR, "Dynarmic returned without having executed anything");
        }
        const bool fits = data.Collect(index);
        data.Restore();
        if (!fits) break;
        batch.final_state[index].size = sizeof initial;
        batch.final_state[index].version = ASSAY64_VERSION;
        core.GetState(batch.final_state[index]);
        batch.done = index + 1;
        *batch.progress = batch.done;
    }
    return ASSAY64_OK;
}

}  // namespace adapter
