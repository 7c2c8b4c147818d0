/* Instructions that C has no words for. */
#ifndef CPU_H
#define CPU_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define IA32_FEATURE_CONTROL 0x03a
#define IA32_SYSENTER_CS 0x174
#define IA32_SYSENTER_ESP 0x175
#define IA32_SYSENTER_EIP 0x176
#define IA32_FS_BASE 0xc0000100
#define IA32_GS_BASE 0xc0000101

#define FEATURE_CONTROL_LOCK (1u << 0)
#define FEATURE_CONTROL_VMX_OUTSIDE_SMX (1u << 2)

#define CR4_VMXE (1ul << 13)

#define CPUID_1_ECX_VMX (1u << 5)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)

#define RFLAGS_FIXED (1ul << 1)
#define RFLAGS_IF (1ul << 9)

struct cpuid_result {
    u32 eax, ebx, ecx, edx;
};

/* What SGDT and SIDT store and LGDT and LIDT load. */
struct table_pointer {
    u16 limit;
    u64 base;
} __attribute__((packed));

static inline struct cpuid_result cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid_result result;
    asm volatile("cpuid"
                 : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                 : "a"(leaf), "c"(subleaf));
    return result;
}

static inline u64 read_msr(u32 index)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (u64)high << 32 | low;
}

static inline void write_msr(u32 index, u64 value)
{
    asm volatile("wrmsr" : : "c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static inline u8 in8(u16 port)
{
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void out8(u16 port, u8 value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(u16 port, u32 value)
{
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

#define CONTROL_REGISTER(name)                                              \
    static inline u64 read_##name(void)                                     \
    {                                                                       \
        u64 value;                                                          \
        asm volatile("mov %%" #name ", %0" : "=r"(value));                  \
        return value;                                                       \
    }                                                                       \
    static inline void write_##name(u64 value)                              \
    {                                                                       \
        asm volatile("mov %0, %%" #name : : "r"(value) : "memory");         \
    }

CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)

#endif
