#include "machine.h"

void vmx_tests(void);

enum { ROUNDS = 200 };

/* --- Who is there --- */

static volatile uint32_t apic_ids[MOST], bootstrap[MOST], versions[MOST];
extern volatile uint32_t first_cr0[MOST];

static void identify(int number)
{
	apic_ids[number] = apic_read(ID) >> 24;
	bootstrap[number] = rdmsr(0x1b) >> 8 & 1;
	versions[number] = apic_read(VERSION) & 0xff;
}
static void identities(void)
{
	everywhere(identify);
	for (int i = 0; i < processors; i++)
		report("processor", 5, (uint64_t)i, (uint64_t)apic_ids[i], (uint64_t)bootstrap[i], (uint64_t)versions[i],
		       (uint64_t)(i == 0 ? 0 : first_cr0[i] & 0x9fffffff));
}

/* --- Locks --- */

static volatile uint32_t lock_word, next_ticket, now_serving;
static volatile uint64_t plain, wide;
static volatile struct { uint64_t low, high; } pair __attribute__((aligned(16)));
static volatile uint8_t bits[64];

static void exchange_lock(int number)
{
	(void)number;
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t old;
		do {
			old = 1;
			__asm__ volatile("xchg %0, %1" : "+r"(old), "+m"(lock_word) : : "memory");
		} while (old);
		plain = plain + 1;
		__asm__ volatile("movl $0, %0" : "=m"(lock_word) : : "memory");
	}
}
static void exchange_lock_pausing(int number)
{
	(void)number;
	for (int i = 0; i < ROUNDS; i++) {
		while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_SEQ_CST))
			pause();
		plain = plain + 1;
		__atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
	}
}
static void ticket_lock(int number)
{
	(void)number;
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t mine = 1;
		__asm__ volatile("lock xaddl %0, %1" : "+r"(mine), "+m"(next_ticket) : : "memory");
		while (now_serving != mine)
			pause();
		plain = plain + 1;
		now_serving = now_serving + 1;
	}
}
static void compare_exchange(int number)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t old = wide;
		while (!__atomic_compare_exchange_n(&wide, &old, old + number + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
	}
}
static void compare_exchange16(int number)
{
	(void)number;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t low = pair.low, high = pair.high;
		uint8_t done;
		do {
			uint64_t new_low = low + 3, new_high = high + 5;
			__asm__ volatile("lock cmpxchg16b %0; setz %1"
					 : "+m"(pair), "=q"(done), "+a"(low), "+d"(high)
					 : "b"(new_low), "c"(new_high)
					 : "memory");
		} while (!done);
	}
}
static void atomics(int number)
{
	for (int i = 0; i < ROUNDS; i++) {
		__asm__ volatile("lock incq %0" : "+m"(wide) : : "memory");
		__asm__ volatile("lock addq $2, %0" : "+m"(wide) : : "memory");
		__asm__ volatile("lock btcl %1, %0" : "+m"(bits) : "r"(i % 8 * 32 + number) : "memory");
		__asm__ volatile("lock xorb %1, %0" : "+m"(bits[40]) : "q"((uint8_t)(1 << number)) : "memory");
	}
}
/* Peterson's algorithm for two: stores must not pass loads where a fence stands. */
static volatile uint32_t wants[2], turn;
static void peterson(int number)
{
	if (number > 1)
		return;
	for (int i = 0; i < ROUNDS; i++) {
		wants[number] = 1;
		turn = 1 - number;
		__asm__ volatile("lock orl $0, (%%rsp)" : : : "memory");
		while (wants[1 - number] && turn == (uint32_t)(1 - number))
			pause();
		plain = plain + 1;
		wants[number] = 0;
	}
}
static void locked(const char *name, void (*function)(int), volatile uint64_t *counter)
{
	*counter = 0;
	everywhere(function);
	report(name, 1, *counter);
}
static void locks(void)
{
	locked("xchg lock", exchange_lock, &plain);
	locked("xchg lock with pause", exchange_lock_pausing, &plain);
	locked("xadd ticket lock", ticket_lock, &plain);
	locked("cmpxchg", compare_exchange, &wide);
	everywhere(compare_exchange16);
	report("cmpxchg16b", 2, pair.low, pair.high);
	locked("inc add", atomics, &wide);
	uint64_t sum = 0;
	for (int i = 0; i < 64; i++)
		sum += bits[i];
	report("btc xor", 1, sum);
	locked("peterson", peterson, &plain);
}

/* --- Interrupts between processors --- */

static void forget(void)
{
	for (int i = 0; i < processors; i++)
		for (int vector = 0; vector < 256; vector++)
			taken[i][vector] = 0;
}
static uint64_t total(int vector)
{
	uint64_t sum = 0;
	for (int i = 0; i < processors; i++)
		sum += taken[i][vector];
	return sum;
}
static void settle(int vector, uint64_t wanted)
{
	for (int i = 0; i < 200000 && total(vector) < wanted; i++)
		pause();
	for (int i = 0; i < 500; i++)
		pause();
}
/* What each processor got of a vector, first processor in the lowest digit. */
static uint64_t digits(int vector)
{
	uint64_t word = 0;
	for (int i = 0; i < processors; i++)
		word |= (uint64_t)(taken[i][vector] & 15) << (4 * i);
	return word;
}
static void ipi(const char *name, uint32_t destination, uint32_t command, int vector, uint64_t wanted)
{
	forget();
	send(destination, command | vector);
	settle(vector, wanted);
	report(name, 2, total(vector), digits(vector));
}
static void to_all(int number)
{
	for (int target = 0; target < processors; target++)
		send(target, ASSERT | FIXED | (0x40 + number));
}
static void interrupts(void)
{
	ipi("ipi to 1", 1, ASSERT, 0x50, 1);
	ipi("ipi to self", 0, TO_SELF | ASSERT, 0x51, 1);
	ipi("ipi to all", 0, TO_ALL | ASSERT, 0x52, processors);
	ipi("ipi to others", 0, TO_OTHERS | ASSERT, 0x53, processors - 1);
	ipi("ipi to 255", 255, ASSERT, 0x54, processors);
	ipi("ipi flat 3", 3, ASSERT | LOGICAL, 0x55, 2);
	ipi("ipi flat 2", 2, ASSERT | LOGICAL, 0x56, 1);
	ipi("ipi to nobody", 14, ASSERT, 0x57, 0);
	forget();
	everywhere(to_all);
	for (int vector = 0x40; vector < 0x40 + processors; vector++) {
		settle(vector, processors);
		report("ipi everywhere", 2, (uint64_t)vector, digits(vector));
	}
	forget();
	send(255, ASSERT | LOGICAL | LOWEST | 0x58);
	settle(0x58, 1);
	report("lowest priority", 1, total(0x58));
}

static void set_cluster(int number)
{
	apic_write(DFR, 0x0fffffff);
	apic_write(LDR, (uint32_t)((number / 2 << 4) | (1 << number % 2)) << 24);
}
static void set_flat(int number)
{
	apic_write(DFR, 0xffffffff);
	apic_write(LDR, 1u << (24 + number));
}
static void clusters(void)
{
	everywhere(set_cluster);
	ipi("ipi cluster 0", 0x03, ASSERT | LOGICAL, 0x60, 2);
	ipi("ipi cluster 0 second", 0x02, ASSERT | LOGICAL, 0x61, 1);
	ipi("ipi cluster none", 0x73, ASSERT | LOGICAL, 0x62, 0);
	everywhere(set_flat);
}

/* Woken from HLT by an interrupt, again and again. */
static volatile uint32_t wakes[MOST], awaiting[MOST];
static void sleep(int number)
{
	for (int i = 0; i < 10; i++) {
		__asm__ volatile("cli");
		awaiting[number] = i + 1;
		__asm__ volatile("sti; hlt" : : : "memory");
		wakes[number]++;
	}
}
static void wake(int number)
{
	if (number != 0) {
		sleep(number);
		return;
	}
	for (int i = 1; i <= 10; i++)
		for (int target = 1; target < processors; target++) {
			wait_for(&awaiting[target], i);
			send(target, ASSERT | 0x66);
		}
}
static void halts(void)
{
	everywhere(wake);
	for (int i = 1; i < processors; i++)
		report("woken", 2, (uint64_t)i, (uint64_t)wakes[i]);
}

/* A message waits for interrupts to be enabled and for the task priority to allow it. */
static volatile uint32_t order[8], ordered;
static void note_low(void) { order[ordered++] = 1; }
static void note_high(void) { order[ordered++] = 2; }
static volatile uint32_t ready, sent;
static void priorities(int number)
{
	if (number > 1)
		return;
	if (number == 0) {
		wait_for(&ready, 1);
		send(1, ASSERT | 0x71);
		send(1, ASSERT | 0x91);
		sent = 1;
		return;
	}
	apic_write(TPR, 0xf0);
	ready = 1;
	wait_for(&sent, 1);
	order[6] = ordered;
	apic_write(TPR, 0x80);
	order[7] = ordered;
	apic_write(TPR, 0);
}

/* --- Non-maskable interrupts --- */

static volatile uint32_t nmi_depth, nmi_nested, nmi_hold;
static void slow_nmi(void)
{
	if (nmi_depth++)
		nmi_nested++;
	while (nmi_hold)
		pause();
	nmi_depth--;
}
static void nmis(void)
{
	ipi("nmi to others", 0, TO_OTHERS | ASSERT | NMI, 2, processors - 1);
	forget();
	handlers[2] = slow_nmi;
	nmi_hold = 1;
	send(1, ASSERT | NMI);
	wait_for(&taken[1][2], 1);
	for (int i = 0; i < 3; i++)
		send(1, ASSERT | NMI);
	for (int i = 0; i < 5000; i++)
		pause();
	report("nmi blocked", 1, (uint64_t)taken[1][2]);
	nmi_hold = 0;
	settle(2, 2);
	handlers[2] = 0;
	report("nmi latched once", 2, (uint64_t)taken[1][2], (uint64_t)nmi_nested);
}

/* --- Translations and code --- */

extern uint64_t page_directory[];
extern uint32_t changing_code[];
static uint64_t table[512] __attribute__((aligned(4096)));
static volatile uint64_t first_page[512] __attribute__((aligned(4096)));
static volatile uint64_t second_page[512] __attribute__((aligned(4096)));
static volatile uint64_t *const remapped = (volatile uint64_t *)0x3fe00000;
static volatile uint64_t read_before[MOST], read_after[MOST];
static volatile uint32_t shot;

static void shoot(void)
{
	__asm__ volatile("invlpg (%0)" : : "r"(remapped) : "memory");
	__atomic_add_fetch(&shot, 1, __ATOMIC_SEQ_CST);
}
static void read_remapped(int number)
{
	read_before[number] = *remapped;
	barrier();
	if (number == 0) {
		table[0] = (uint64_t)second_page | 3;
		__asm__ volatile("invlpg (%0)" : : "r"(remapped) : "memory");
		send(0, TO_OTHERS | ASSERT | 0x88);
		wait_for(&shot, processors - 1);
	}
	barrier();
	read_after[number] = *remapped;
}
static void shootdown(void)
{
	first_page[0] = 0x1111;
	second_page[0] = 0x2222;
	table[0] = (uint64_t)first_page | 3;
	page_directory[511] = (uint64_t)table | 3;
	handlers[0x88] = shoot;
	everywhere(read_remapped);
	for (int i = 0; i < processors; i++)
		report("shootdown", 2, read_before[i], read_after[i]);
}

static volatile uint32_t code_results[MOST][4];
static void call_changing(int number)
{
	uint32_t (*function)(void) = (uint32_t(*)(void))changing_code;
	for (int round = 0; round < 4; round++) {
		barrier();
		uint32_t a, b, c, d;
		cpuid(0, &a, &b, &c, &d);
		code_results[number][round] = function();
		barrier();
		if (number == round % processors)
			*(volatile uint32_t *)((char *)changing_code + 1) = 0x22220000 + round;
	}
}
static void cross_modification(void)
{
	everywhere(call_changing);
	for (int i = 0; i < processors; i++)
		report("modified code", 4, (uint64_t)code_results[i][0], (uint64_t)code_results[i][1],
		       (uint64_t)code_results[i][2], (uint64_t)code_results[i][3]);
}

/* --- Errors --- */

static uint64_t error_status(void)
{
	apic_write(ESR, 0);
	return apic_read(ESR);
}
static void errors(void)
{
	error_status();
	error_status();
	send(0, TO_OTHERS | ASSERT | 5);
	report("illegal vector", 1, error_status());
	report("no error", 1, error_status());
}

/* --- INIT --- */

static void restart(void)
{
	volatile uint32_t *arrivals = (volatile uint32_t *)0x6000;
	*arrivals = 0;
	/* A start-up message to running processors is lost. */
	send(0, TO_OTHERS | STARTUP | ASSERT | 9);
	for (int i = 0; i < 5000; i++)
		pause();
	report("startup while running", 1, (uint64_t)*arrivals);
	start_others(9);
	report("restarted", 1, (uint64_t)*arrivals);
	locked("after restart", exchange_lock_pausing, &plain);
}

static void in_x2apic(void)
{
	enter_x2apic();
	report("x2apic id", 2, (uint64_t)apic_read(ID), (uint64_t)apic_read(LDR));
	ipi("x2apic to 1", 1, 0, 0xa0, 1);
	ipi("x2apic logical", 2, LOGICAL, 0xa1, 1);
	ipi("x2apic all", 0xffffffff, 0, 0xa2, processors);
	ipi("x2apic others", 0, TO_OTHERS, 0xa3, processors - 1);
	forget();
	wrmsr(0x83f, 0xa4);
	settle(0xa4, 1);
	report("x2apic self", 1, digits(0xa4));
	ipi("x2apic nmi", 1, NMI, 2, 1);
}

void tests(void)
{
	uint32_t a, b, c, d;
	identities();
	locks();
	interrupts();
	clusters();
	halts();
	handlers[0x71] = note_low;
	handlers[0x91] = note_high;
	everywhere(priorities);
	report("priorities", 5, (uint64_t)order[6], (uint64_t)order[7], (uint64_t)ordered, (uint64_t)order[0],
	       (uint64_t)order[1]);
	nmis();
	shootdown();
	cross_modification();
	errors();
	restart();
	cpuid(1, &a, &b, &c, &d);
	if (c >> 5 & 1)
		vmx_tests();
	if (c >> 21 & 1)
		in_x2apic();
}
