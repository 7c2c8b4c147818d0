/* Integer instructions over awkward operands, as one checksum each of results and of the flags the SDM defines. */
#include "runtime.h"

#define CF 0x001
#define PF 0x004
#define AF 0x010
#define ZF 0x040
#define SF 0x080
#define OF 0x800
#define ALL (CF | PF | AF | ZF | SF | OF)

static const u64 operands[] = {
    0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
    0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0x123456789abcdef0, 0xaaaaaaaaaaaaaaaa,
};
#define OPERANDS (sizeof operands / sizeof operands[0])

#define EACH(name, defined, instructions)                                                        \
    do {                                                                                         \
        u64 hash = 0;                                                                            \
        for (u32 i = 0; i < OPERANDS; i++)                                                       \
            for (u32 j = 0; j < OPERANDS; j++) {                                                 \
                u64 a = operands[i], c = operands[j], d = operands[(i + j) % OPERANDS], flags;   \
                asm volatile("cmp $1, %%rdx; " instructions "; pushfq; pop %3"                   \
                             : "+a"(a), "+c"(c), "+d"(d), "=r"(flags) : : "cc", "memory");       \
                hash = ((hash * 31 + a) * 31 + c) * 31 + d;                                      \
                hash = hash * 31 + (flags & (defined));                                          \
            }                                                                                    \
        report_value(name, hash);                                                                \
    } while (0)

#define ALL_SIZES(name, defined, b, w, l, q)   \
    EACH(name " 8", defined, b);               \
    EACH(name " 16", defined, w);              \
    EACH(name " 32", defined, l);              \
    EACH(name " 64", defined, q)

#define TWO(name, defined, operation)                                                                       \
    ALL_SIZES(name, defined, operation " %%cl, %%al", operation " %%cx, %%ax", operation " %%ecx, %%eax", \
              operation " %%rcx, %%rax")
#define ONE(name, defined, operation) \
    ALL_SIZES(name, defined, operation " %%al", operation " %%ax", operation " %%eax", operation " %%rax")

void subject_arithmetic(void)
{
    TWO("ADD", ALL, "add");
    TWO("ADC", ALL, "adc");
    TWO("SUB", ALL, "sub");
    TWO("SBB", ALL, "sbb");
    TWO("CMP", ALL, "cmp");
    TWO("AND", ALL & ~AF, "and");
    TWO("XOR", ALL & ~AF, "xor");
    TWO("TEST", ALL & ~AF, "test");
    TWO("XADD", ALL, "xadd");
    TWO("CMPXCHG", ALL, "cmpxchg");
    ONE("INC", ALL, "inc");
    ONE("DEC", ALL, "dec");
    ONE("NEG", ALL, "neg");
    ONE("NOT", ALL, "not");
    ONE("MUL", CF | OF, "mul");
    ONE("IMUL", CF | OF, "imul");
    EACH("IMUL two operands", CF | OF, "imul %%rcx, %%rax");
    EACH("IMUL immediate", CF | OF, "imul $-77, %%ecx, %%eax");
    EACH("SHL 32", 0, "shl %%cl, %%eax");
    EACH("SHR 64", 0, "shr %%cl, %%rax");
    EACH("SAR 16", 0, "sar %%cl, %%ax");
    EACH("ROL 64", 0, "rol %%cl, %%rax");
    EACH("ROR 8", 0, "ror %%cl, %%al");
    EACH("RCL 64", 0, "rcl %%cl, %%rax");
    EACH("SHL by 1", CF | ZF | SF | PF | OF, "shl %%rax");
    EACH("SAR by 1", CF | ZF | SF | PF | OF, "sar %%eax");
    EACH("SHR by 5", CF | ZF | SF | PF, "shr $5, %%rax");
    EACH("SHLD", 0, "shld $13, %%rcx, %%rax");
    EACH("SHRD", 0, "shrd $29, %%ecx, %%eax");
    EACH("BT", CF, "bt %%rcx, %%rax");
    EACH("BTS", CF, "bts %%ecx, %%eax");
    EACH("BSWAP", 0, "bswap %%rax");
    EACH("BSF", ZF, "mov $99, %%ecx; test %%rax, %%rax; jz 1f; bsf %%rax, %%rcx; 1:");
    EACH("BSR", ZF, "mov $99, %%ecx; test %%rax, %%rax; jz 1f; bsr %%rax, %%rcx; 1:");
    EACH("DIV", 0, "mov $0, %%edx; or $1, %%rcx; div %%rcx");
    EACH("IDIV", 0, "cltd; or $3, %%ecx; and $0x7fffffff, %%ecx; idiv %%ecx");
    EACH("high bytes", ALL, "add %%ch, %%ah; xchg %%dl, %%dh");
    EACH("conditions", 0,
         "cmp %%rcx, %%rax; setl %%dl; seta %%dh; cmovge %%rcx, %%rax; cmovb %%ecx, %%ecx; cmovs %%ax, %%cx");
    EACH("LAHF and SAHF", ALL & ~OF, "mov %%ecx, %%eax; sahf; lahf");
}
