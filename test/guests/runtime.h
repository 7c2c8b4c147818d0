/* What the subjects share: exceptions that are caught and told, pages to map, lines to compare. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include "console.h"
#include "cpu.h"

#define PAGE_SIZE 4096ul
#define PAGE_PRESENT (1ul << 0)
#define PAGE_WRITE (1ul << 1)
#define PAGE_USER (1ul << 2)
#define PAGE_ACCESSED (1ul << 5)
#define PAGE_DIRTY (1ul << 6)
#define PAGE_LARGE (1ul << 7)
#define PAGE_NO_EXECUTE (1ul << 63)

/* Nothing is mapped from here to 512 GiB but what a subject maps. */
#define WINDOW 0x40000000ul

#define CODE64 0x08
#define DATA 0x10
#define TASK 0x18
#define CODE32 0x28
#define NOT_PRESENT 0x30
#define USER_DATA 0x3b
#define USER_CODE 0x43
#define READ_ONLY_DATA 0x48

/* As the stubs push it. */
struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
};

/* The last exception or interrupt, and CR2 and RSP in its handler. */
struct caught {
    struct frame frame;
    u64 cr2, handler_rsp;
    u32 count;
};
extern struct caught caught;

/* Where execution goes on after an exception, and where the instruction under test started. */
extern u64 resume_rip, resume_rsp, try_start;

/* Called instead of resuming, if a subject sets it, for vectors from 32 on. */
extern void (*on_interrupt)(struct frame *frame);

/* Runs instructions that may fault; the outputs of `caught` tell. Further operands follow the text. */
#define TRY(instructions, ...)                                                                    \
    do {                                                                                          \
        caught.count = 0;                                                                         \
        asm volatile("lea 1f(%%rip), %%rax\n\tmov %%rax, resume_rip\n\tmov %%rsp, resume_rsp\n\t" \
                     "lea 2f(%%rip), %%rax\n\tmov %%rax, try_start\n2:\t" instructions "\n1:"     \
                     : : __VA_ARGS__ : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "memory", "cc");  \
    } while (0)

/* "name: vector 14, error 0x2, rip +3, cr2 0x..." or "name: nothing". CR2 is told for page faults only. */
void report(const char *name);

void report_value(const char *name, u64 value);

void runtime_start(void);

/* Maps one 4-KByte page in the window; flags are those of the page table entry. Returns the entry. */
volatile u64 *map_page(u64 linear, u64 physical, u64 flags);

/* A zeroed page. */
u64 new_page(void);

static inline void invalidate(u64 linear)
{
    asm volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

void set_gate(u32 vector, u32 privilege, u32 ist);
void set_ist(u32 number, u64 stack);
void set_kernel_stack(u64 stack);

/* The subjects */
void subject_exceptions(void);
void subject_stacks(void);
void subject_paging(void);
void subject_user(void);
void subject_compatibility(void);
void subject_strings(void);
void subject_modification(void);
void subject_crossing(void);
void subject_arithmetic(void);
void subject_segments(void);
void subject_timer(void);

#endif
