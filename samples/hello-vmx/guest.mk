# How a guest is compiled, for every Makefile that builds from these sources. HELLO is the way to this folder.

CC := gcc
NASM := nasm

# General registers only: a VMM does not save the others. No red zone: interrupts use the guest's stack.
CFLAGS := -O2 -g -gdwarf-5 -std=gnu11 -Wall -Wextra -ffreestanding -nostdlib -fno-pic -mcmodel=small -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -I. -I$(HELLO)
LDFLAGS := -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack

build/%.o: %.c | build
	$(CC) $(CFLAGS) -MMD -c -o $@ $<

build/%.o: %.S | build
	$(CC) -g -gdwarf-5 -c -o $@ $<

build/%.o: %.asm | build
	$(NASM) -f elf64 -g -F dwarf -o $@ $<

build/%.o: $(HELLO)/%.c | build
	$(CC) $(CFLAGS) -MMD -c -o $@ $<

build/%.o: $(HELLO)/%.S | build
	$(CC) -g -gdwarf-5 -c -o $@ $<

build/%.o: $(HELLO)/%.asm | build
	$(NASM) -f elf64 -g -F dwarf -o $@ $<

build:
	mkdir -p build

clean:
	rm -rf build

.PHONY: clean
