// Guest memory as the adapter sees it: pages over the harness's buffers, their permissions, and the watchpoints on
// them. It knows nothing of the JIT. All vCPUs of a machine share one; it changes only while none of them runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "assay64_backend.h"

namespace adapter {

constexpr std::uint64_t kPageBits = 12;
constexpr std::uint64_t kPageSize = std::uint64_t{1} << kPageBits;
constexpr std::uint64_t kPageMask = kPageSize - 1;

struct Page {
    std::uint8_t* host = nullptr;
    std::uint32_t permissions = 0;
    bool device = false;
};

struct Watchpoint {
    std::uint64_t address;
    std::uint64_t size;
    std::uint32_t access;
};

struct Fault {
    std::uint32_t fault;
    std::uint64_t address;
};

class Memory {
public:
    void Map(std::uint64_t address, std::uint8_t* host, std::uint64_t size, std::uint32_t permissions, bool device) {
        for (std::uint64_t offset = 0; offset < size; offset += kPageSize)
            pages_[(address + offset) >> kPageBits] = Page{host + offset, permissions, device};
        ++generation_;
    }

    bool Protect(std::uint64_t address, std::uint64_t size, std::uint32_t permissions) {
        for (std::uint64_t offset = 0; offset < size; offset += kPageSize)
            if (!Find(address + offset)) return false;
        for (std::uint64_t offset = 0; offset < size; offset += kPageSize)
            pages_[(address + offset) >> kPageBits].permissions = permissions;
        ++generation_;
        return true;
    }

    void Unmap(std::uint64_t address, std::uint64_t size) {
        for (std::uint64_t offset = 0; offset < size; offset += kPageSize)
            pages_.erase((address + offset) >> kPageBits);
        ++generation_;
    }

    const Page* Find(std::uint64_t address) const {
        const auto found = pages_.find(address >> kPageBits);
        return found == pages_.end() ? nullptr : &found->second;
    }

    std::uint64_t generation() const { return generation_; }

    std::vector<Watchpoint> watchpoints;

private:
    std::unordered_map<std::uint64_t, Page> pages_;
    std::uint64_t generation_ = 1;
};

// One vCPU's way to the memory: checks every access and remembers the pages that it used last.
class View {
public:
    explicit View(const Memory& memory) : memory_(memory) {}

    // The host address of `size` bytes with the permission `need`; null with `fault` set when one of them is not to be
    // had, null without when they are split over two pages that are not neighbours on the host (then use Split).
    std::uint8_t* Locate(std::uint64_t address, std::uint64_t size, std::uint32_t need, Fault& fault) {
        fault = Fault{ASSAY64_FAULT_UNKNOWN, 0};
        const Page* first = Check(address, 0, fault);
        if (!first) return nullptr;
        if (first->device && address % size != 0) {  // before permission: AArch64.S1Translate
            fault = Fault{ASSAY64_FAULT_ALIGNMENT, address};
            return nullptr;
        }
        if ((first->permissions & need) != need) {
            fault = Fault{ASSAY64_FAULT_PERMISSION, address};
            return nullptr;
        }
        std::uint8_t* const host = first->host + (address & kPageMask);
        if ((address & kPageMask) + size <= kPageSize) return host;
        const std::uint64_t next = (address | kPageMask) + 1;
        // By value: looking up the second page may take the first one's place.
        std::uint8_t* const first_page = first->host;
        const Page* second = Check(next, need, fault);
        if (!second) return nullptr;
        return second->host == first_page + kPageSize ? host : nullptr;
    }

    template <typename Visit>
    void Split(std::uint64_t address, std::uint64_t size, Visit visit) {
        Fault ignored{};
        for (std::uint64_t offset = 0; offset < size; ++offset)
            visit(offset, Check(address + offset, 0, ignored)->host + ((address + offset) & kPageMask));
    }

    // The word at `address`, for execution.
    bool Fetch(std::uint64_t address, std::uint32_t& word, Fault& fault) {
        const Page* page = Check(address, ASSAY64_EXECUTE, fault);
        if (!page) return false;
        std::memcpy(&word, page->host + (address & kPageMask), sizeof word);
        return true;
    }

    // Whether a watchpoint for `access` covers one of the bytes; `where` becomes the lowest such byte.
    bool Watched(std::uint64_t address, std::uint64_t size, std::uint32_t access, std::uint64_t& where) const {
        bool found = false;
        for (const Watchpoint& watch : memory_.watchpoints) {
            if (!(watch.access & access) || watch.address - address >= size) {
                // Not in front of us inside the access: then the watched range may have begun before it.
                if (!(watch.access & access) || address - watch.address >= watch.size) continue;
            }
            const std::uint64_t lowest = address - watch.address < watch.size ? address : watch.address;
            where = found ? std::min(where, lowest) : lowest;
            found = true;
        }
        return found;
    }

private:
    const Page* Check(std::uint64_t address, std::uint32_t need, Fault& fault) {
        Slot& slot = slots_[(address >> kPageBits) % kSlots];
        if (slot.generation != memory_.generation() || slot.number != address >> kPageBits) {
            const Page* page = memory_.Find(address);
            if (!page) {
                fault = Fault{ASSAY64_FAULT_TRANSLATION, address};
                return nullptr;
            }
            slot = Slot{memory_.generation(), address >> kPageBits, page};
        }
        if ((slot.page->permissions & need) != need) {
            fault = Fault{ASSAY64_FAULT_PERMISSION, address};
            return nullptr;
        }
        return slot.page;
    }

    static constexpr std::size_t kSlots = 64;
    struct Slot {
        std::uint64_t generation = 0;
        std::uint64_t number = 0;
        const Page* page = nullptr;
    };

    const Memory& memory_;
    Slot slots_[kSlots];
};

}  // namespace adapter
