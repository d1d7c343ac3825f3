/* The mix of statements that R. Weicker's Dhrystone measures (1984: assignments of records and strings, procedure calls,
   switches on enumerations, array accesses), written anew: a small shop's ledger. `size` orders a repetition. */
#include "program.h"

enum Kind { SALE, REFUND, TRANSFER, STOCKTAKING };

struct Record {
    struct Record *next;
    enum Kind kind;
    int amount;
    char name[28];
};

#define ACCOUNTS 64
static struct Record records[ACCOUNTS], spare;
static int balance[ACCOUNTS], history[ACCOUNTS][16];

__attribute__((noinline)) static void copy_name(char *target, const char *source) {
    while ((*target++ = *source++))
        ;
}

__attribute__((noinline)) static int compare_names(const char *left, const char *right) {
    for (; *left && *left == *right; left++, right++)
        ;
    return (unsigned char)*left - (unsigned char)*right;
}

__attribute__((noinline)) static enum Kind next_kind(enum Kind kind, int amount) {
    switch (kind) {
    case SALE: return amount > 100 ? REFUND : TRANSFER;
    case REFUND: return amount & 1 ? SALE : STOCKTAKING;
    case TRANSFER: return STOCKTAKING;
    default: return SALE;
    }
}

__attribute__((noinline)) static void book(struct Record *record, int *account) {
    switch (record->kind) {
    case SALE: *account += record->amount; break;
    case REFUND: *account -= record->amount / 2; break;
    case TRANSFER: *account += record->amount * 3 % 17; break;
    case STOCKTAKING: *account ^= 0x55; break;
    }
}

uint64_t run(uint64_t repeats, uint64_t size) {
    uint64_t checksum = 0;
    for (; repeats; repeats--) {
        for (int i = 0; i < ACCOUNTS; i++) {
            records[i] = (struct Record){&records[(i * 5 + 1) % ACCOUNTS], SALE, i, "DHRYSTONE-LIKE ACCOUNT"};
            records[i].name[i % 22] = (char)('a' + i % 26);
            balance[i] = 0;
            for (int j = 0; j < 16; j++)
                history[i][j] = 0;
        }
        struct Record *record = records;
        uint64_t equal = 0;
        for (uint64_t order = 0; order < size; order++) {
            int index = (int)(record - records);
            record->amount = (record->amount * 7 + (int)order) % 251;
            record->kind = next_kind(record->kind, record->amount);
            book(record, &balance[index]);
            history[index][order % 16] += balance[index];
            spare = *record;
            if (compare_names(spare.name, record->next->name) > 0) {
                copy_name(record->name, record->next->name);
                equal++;
            } else {
                record->name[order % 22] = (char)('A' + order % 26);
            }
            record = spare.next;
        }
        uint64_t value = equal;
        for (int i = 0; i < ACCOUNTS; i++) {
            value = combine(value, (uint64_t)(int64_t)balance[i] + (uint64_t)records[i].kind);
            for (int j = 0; j < 16; j++)
                value += (uint64_t)(int64_t)history[i][j];
            for (const char *letter = records[i].name; *letter; letter++)
                value += (uint64_t)(unsigned char)*letter << (i & 7);
        }
        checksum = combine(checksum, value);
        REPETITION();
    }
    return checksum;
}
