/* Two guests at once: each processor enters one of its own again and again, with its own VMCS. */
#include "machine.h"

static char regions[MOST][2][4096] __attribute__((aligned(4096)));
static char guest_stacks[MOST][4096] __attribute__((aligned(16)));
static volatile uint64_t sums[MOST], exits[MOST], wrong[MOST];

static inline bool vmwrite(uint64_t field, uint64_t value)
{
	bool failed;
	__asm__ volatile("vmwrite %2, %1; setbe %0" : "=q"(failed) : "r"(field), "r"(value) : "cc", "memory");
	return failed;
}
static inline uint64_t vmread(uint64_t field)
{
	uint64_t value;
	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc", "memory");
	return value;
}
/* A control word: what is wanted, with the bits that must be 1 and without those that must be 0. */
static uint64_t control(uint32_t capability, uint32_t wanted)
{
	uint64_t bits = rdmsr(capability);
	return (wanted | (uint32_t)bits) & (bits >> 32);
}

extern char gdt[], idt[];
void vmx_guest(void);
int vmx_run(uint64_t *value, int launched);

/* Guest: adds up what it is given, and asks for the next; PAUSE lets others run meanwhile. */
__asm__(".globl vmx_guest\n"
	"vmx_guest: xor %ebx, %ebx\n"
	"1: add %rax, %rbx\n"
	"mov %rbx, %rax\n"
	"pause\n"
	"vmcall\n"
	"jmp 1b\n"
	/* RAX goes in and comes back; RBX is the guest's own. 0: an exit, 1: the entry failed. */
	".globl vmx_run\n"
	"vmx_run: push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
	"mov $0x6c14, %ecx; vmwrite %rsp, %rcx\n"
	"lea 3f(%rip), %rdx; mov $0x6c16, %ecx; vmwrite %rdx, %rcx\n"
	"mov 8(%rdi), %rbx\n"
	"mov (%rdi), %rax\n"
	"test %esi, %esi; jnz 2f\n"
	"vmlaunch\n"
	"jmp 4f\n"
	"2: vmresume\n"
	"4: mov $1, %eax; jmp 5f\n"
	"3: mov (%rsp), %rdi; mov %rax, (%rdi); mov %rbx, 8(%rdi); xor %eax, %eax\n"
	"5: pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
	"ret\n");

static uint64_t read_cr(int number)
{
	uint64_t value;
	if (number == 0)
		__asm__ volatile("mov %%cr0, %0" : "=r"(value));
	else if (number == 3)
		__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	else
		__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static void set_up(int number)
{
	static const uint16_t selectors[] = { 0x10, 8, 0x10, 0x10, 0x10, 0x10, 0, 0x18 };
	static const uint32_t rights[] = { 0xc093, 0xa09b, 0xc093, 0xc093, 0xc093, 0xc093, 0x10082, 0x8b };
	vmwrite(0x4000, control(0x481, 0));
	vmwrite(0x4002, control(0x482, 0));
	vmwrite(0x400c, control(0x483, 1 << 9));
	vmwrite(0x4012, control(0x484, 1 << 9));
	vmwrite(0x4004, 0);
	vmwrite(0x400a, 0);
	vmwrite(0x400e, 0);
	vmwrite(0x4010, 0);
	vmwrite(0x4014, 0);
	vmwrite(0x4016, 0);
	vmwrite(0x2800, ~0ull);
	vmwrite(0x6000, 0);
	vmwrite(0x6002, 0);
	for (int i = 0; i < 8; i++) {
		vmwrite(0x0800 + 2 * i, selectors[i]);
		vmwrite(0x4800 + 2 * i, i == 7 ? 0x67 : 0xffffffff);
		vmwrite(0x4814 + 2 * i, rights[i]);
		vmwrite(0x6806 + 2 * i, 0);
	}
	for (int i = 0; i < 6; i++)
		vmwrite(0x0c00 + 2 * i, i == 1 ? 8 : 0x10);
	vmwrite(0x0c0c, 0x18);
	for (int i = 0; i < 3; i++) {
		uint64_t value = read_cr(i == 0 ? 0 : i == 1 ? 3 : 4);
		vmwrite(0x6800 + 2 * i, value);
		vmwrite(0x6c00 + 2 * i, value);
	}
	vmwrite(0x4810, 0xffff);
	vmwrite(0x4812, 0xffff);
	vmwrite(0x6816, (uint64_t)gdt);
	vmwrite(0x6818, (uint64_t)idt);
	for (int field = 0x6c06; field <= 0x6c0a; field += 2)
		vmwrite(field, 0);
	vmwrite(0x6c0c, (uint64_t)gdt);
	vmwrite(0x6c0e, (uint64_t)idt);
	vmwrite(0x4c00, 0);
	vmwrite(0x6c10, 0);
	vmwrite(0x6c12, 0);
	vmwrite(0x681a, 0x400);
	vmwrite(0x681c, (uint64_t)guest_stacks[number + 1]);
	vmwrite(0x681e, (uint64_t)vmx_guest);
	vmwrite(0x6820, 2);
	vmwrite(0x6822, 0);
	vmwrite(0x6824, 0);
	vmwrite(0x6826, 0);
	vmwrite(0x4824, 0);
	vmwrite(0x4826, 0);
	vmwrite(0x482a, 0);
}

static void run_guest(int number)
{
	uint64_t region = (uint64_t)regions[number][0], vmcs = (uint64_t)regions[number][1];
	uint64_t registers[2] = { 1, 0 };
	uint64_t flags;
	__asm__ volatile("pushf; popq %0; cli" : "=r"(flags));
	__asm__ volatile("mov %0, %%cr0" : : "r"(read_cr(0) | 0x20));
	__asm__ volatile("mov %0, %%cr4" : : "r"(read_cr(4) | 0x2000));
	*(uint32_t *)region = *(uint32_t *)vmcs = (uint32_t)rdmsr(0x480) & 0x7fffffff;
	__asm__ volatile("vmxon %0; vmclear %1; vmptrld %1" : : "m"(region), "m"(vmcs) : "cc", "memory");
	set_up(number);
	for (int i = 0; i < 100; i++) {
		if (vmx_run(registers, i != 0) != 0) {
			report("vmx entry failed", 2, (uint64_t)number, vmread(0x4400));
			break;
		}
		if (vmread(0x4402) != 18)
			wrong[number]++;
		exits[number]++;
		sums[number] = registers[0];
		registers[0] = number + 1;
		vmwrite(0x681e, vmread(0x681e) + vmread(0x440c));
	}
	__asm__ volatile("vmclear %0; vmxoff" : : "m"(vmcs) : "cc", "memory");
	__asm__ volatile("pushq %0; popf" : : "r"(flags) : "cc", "memory");
}

/* INIT is blocked in VMX root operation and taken when that ends. */
static volatile uint32_t in_root, leave_root;
static void stay_in_root(int number)
{
	if (number != 1)
		return;
	uint64_t region = (uint64_t)regions[number][0];
	__asm__ volatile("vmxon %0" : : "m"(region) : "cc", "memory");
	in_root = 1;
	while (!leave_root)
		pause();
	in_root = 2;
	__asm__ volatile("vmxoff");
}
void block_init(void)
{
	volatile uint32_t *arrivals = (volatile uint32_t *)0x6000;
	work_on_others(stay_in_root);
	wait_for(&in_root, 1);
	*arrivals = 0;
	send(1, INIT | ASSERT);
	for (int i = 0; i < 2000; i++)
		pause();
	report("vmx init blocked", 2, (uint64_t)*arrivals, (uint64_t)in_root);
	leave_root = 1;
	wait_for(&in_root, 2);
	for (int i = 0; i < 2000; i++)
		pause();
	send(1, STARTUP | ASSERT | 9);
	wait_for(arrivals, 1);
	report("vmx init taken", 1, (uint64_t)*arrivals);
}

void vmx_tests(void)
{
	everywhere(run_guest);
	for (int i = 0; i < processors; i++)
		report("vmx guest", 4, (uint64_t)i, sums[i], exits[i], wrong[i]);
	block_init();
}
