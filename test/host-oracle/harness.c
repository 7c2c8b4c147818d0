/*
 * Executes instruction snippets on the processor this runs on, in 64-bit user mode.
 *
 * Reads cases from standard input until its end, writes one outcome each to standard output; the layouts are those of
 * `host.ts`. A snippet lies in the middle of a page of INT3, so that whatever it does, a signal reports the state after
 * it; the signal handler loads the next case into the interrupted context and returns into it.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Where bit strings with offsets near powers of two do not reach. */
#define CODE 0x17650000ul
#define SNIPPET (CODE + 2048)
#define DATA 0x10000000ul
#define DATA_SIZE 8192
#define CROSSING (DATA + 4096 - 128)
#define CROSSING_SIZE 256
#define EDGE (DATA + DATA_SIZE - 128)
#define EDGE_SIZE 128
#define CODE_MAX 31

struct input {
  uint8_t length;
  uint8_t code[CODE_MAX];
  uint64_t gpr[16];
  uint64_t flags;
  uint8_t crossing[CROSSING_SIZE];
  uint8_t edge[EDGE_SIZE];
};

struct outcome {
  uint32_t signal;
  uint32_t reserved;
  uint64_t rip;
  uint64_t gpr[16];
  uint64_t flags;
  uint8_t crossing[CROSSING_SIZE];
  uint8_t edge[EDGE_SIZE];
};

/* General registers in encoding order. */
static const int GREGS[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct input *inputs;
static struct outcome *outcomes;
static size_t count, at;
static int running;
static sigjmp_buf finished;

static void capture(int number, const greg_t *gregs) {
  struct outcome *out = &outcomes[at];
  int trapped = number == SIGTRAP;
  out->signal = trapped ? 0 : (uint32_t)number;
  out->rip = (uint64_t)gregs[REG_RIP] - (trapped ? 1 : 0);
  for (int i = 0; i < 16; i++) out->gpr[i] = (uint64_t)gregs[GREGS[i]];
  out->flags = (uint64_t)gregs[REG_EFL];
  memcpy(out->crossing, (void *)CROSSING, CROSSING_SIZE);
  memcpy(out->edge, (void *)EDGE, EDGE_SIZE);
}

static void prepare(greg_t *gregs) {
  const struct input *in = &inputs[at];
  memset((void *)SNIPPET, 0xcc, CODE_MAX);
  memcpy((void *)SNIPPET, in->code, in->length);
  memset((void *)DATA, 0, DATA_SIZE);
  memcpy((void *)CROSSING, in->crossing, CROSSING_SIZE);
  memcpy((void *)EDGE, in->edge, EDGE_SIZE);
  for (int i = 0; i < 16; i++) gregs[GREGS[i]] = (greg_t)in->gpr[i];
  gregs[REG_RIP] = (greg_t)SNIPPET;
  gregs[REG_EFL] = (greg_t)in->flags;
}

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (running) {
    capture(number, gregs);
    at++;
  }
  running = 1;
  if (at == count) siglongjmp(finished, 1);
  prepare(gregs);
}

static void *map(unsigned long address, size_t size, int protection) {
  void *result = mmap((void *)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (result != (void *)address) {
    perror("mmap");
    exit(1);
  }
  return result;
}

int main(void) {
  size_t capacity = 0, length = 0;
  uint8_t *data = NULL;
  for (;;) {
    if (length == capacity) {
      capacity = capacity ? capacity * 2 : 1 << 20;
      data = realloc(data, capacity);
      if (!data) return 1;
    }
    size_t got = fread(data + length, 1, capacity - length, stdin);
    if (got == 0) break;
    length += got;
  }
  inputs = (struct input *)data;
  count = length / sizeof(struct input);
  outcomes = calloc(count ? count : 1, sizeof(struct outcome));
  if (!outcomes) return 1;

  memset(map(CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0xcc, 4096);
  map(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
  syscall(SYS_arch_prctl, ARCH_SET_GS, DATA);

  static uint8_t stack[1 << 16];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  alarm(120);

  if (count && !sigsetjmp(finished, 1)) raise(SIGTRAP);
  for (size_t done = 0; done < count;) {
    size_t wrote = fwrite(outcomes + done, sizeof *outcomes, count - done, stdout);
    if (wrote == 0) return 1;
    done += wrote;
  }
  return fflush(stdout) ? 1 : 0;
}
