/*
 * Executes snippets on the floating-point units of the processor this runs on.
 *
 * Reads cases from standard input until its end, writes one outcome each to standard output; the layouts are those of
 * `host.ts`. A snippet finds the x87 and SSE state of its case loaded, RAX as given and RBX at 256 bytes of data; it ends with RET.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x17650000ul
#define DATA 0x10000000ul
#define CODE_MAX 31
#define DATA_SIZE 256

struct input {
  uint8_t length;
  uint8_t code[CODE_MAX];
  uint64_t rax, reserved;
  uint8_t state[512];
  uint8_t data[DATA_SIZE];
};

struct outcome {
  uint32_t signal, reserved;
  uint64_t rax, flags, rip;
  uint8_t state[512];
  uint8_t data[DATA_SIZE];
};

static sigjmp_buf aborted;
static uint8_t state[512] __attribute__((aligned(16)));
static uint64_t rax, flags;
static volatile uint64_t stopped_at;
static volatile int stopped_by;

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *user = context;
  memcpy(state, user->uc_mcontext.fpregs, sizeof state);
  rax = (uint64_t)user->uc_mcontext.gregs[REG_RAX];
  flags = (uint64_t)user->uc_mcontext.gregs[REG_EFL];
  stopped_at = (uint64_t)user->uc_mcontext.gregs[REG_RIP];
  stopped_by = number;
  siglongjmp(aborted, 1);
}

static void execute(void) {
  __asm__ volatile("fxrstor64 %0\n\t"
                   "mov %1, %%rax\n\t"
                   "pushq $0x202\n\t"
                   "popfq\n\t"
                   "call *%%rcx\n\t"
                   "fxsave64 %0\n\t"
                   "mov %%rax, %1\n\t"
                   "pushfq\n\t"
                   "popq %2\n\t"
                   "fninit\n\t"
                   : "+m"(state), "+m"(rax), "=m"(flags)
                   : "c"(CODE), "b"(DATA)
                   : "rax", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2",
                     "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                     "xmm14", "xmm15");
}

static void run(const struct input *in, struct outcome *out) {
  const uint32_t ordinary = 0x1f80;
  memcpy((void *)CODE, in->code, in->length);
  ((uint8_t *)CODE)[in->length] = 0xc3;
  memcpy((void *)DATA, in->data, DATA_SIZE);
  memcpy(state, in->state, sizeof state);
  rax = in->rax;
  stopped_by = 0;
  stopped_at = 0;
  if (!sigsetjmp(aborted, 1)) execute();
  __asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(ordinary));
  out->signal = (uint32_t)stopped_by;
  out->rip = stopped_at;
  out->rax = rax;
  out->flags = flags;
  memcpy(out->state, state, sizeof state);
  memcpy(out->data, (void *)DATA, DATA_SIZE);
}

static void map(unsigned long address, int protection) {
  void *at = mmap((void *)address, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (at != (void *)address) exit(1);
}

int main(void) {
  static struct input in;
  static struct outcome out;
  map(CODE, PROT_READ | PROT_WRITE | PROT_EXEC);
  map(DATA, PROT_READ | PROT_WRITE);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  alarm(120);
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    run(&in, &out);
    if (fwrite(&out, sizeof out, 1, stdout) != 1) return 1;
  }
  return fflush(stdout) ? 1 : 0;
}
