/*
 * Lines on the first serial port.
 *
 * Everything here is static: the VMM and its guest share no memory, so each has a copy of its own.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "cpu.h"

#define COM1 0x3f8
#define COM1_DIVISOR_LOW (COM1 + 0)
#define COM1_INTERRUPT_ENABLE (COM1 + 1)
#define COM1_FIFO_CONTROL (COM1 + 2)
#define COM1_LINE_CONTROL (COM1 + 3)
#define COM1_LINE_STATUS (COM1 + 5)

#define LINE_CONTROL_8N1 0x03
#define LINE_CONTROL_DIVISOR_ACCESS 0x80
#define LINE_STATUS_HOLDING_REGISTER_EMPTY 0x20
#define LINE_STATUS_TRANSMITTER_EMPTY 0x40

__attribute__((unused)) static void console_start(void)
{
    out8(COM1_INTERRUPT_ENABLE, 0);
    out8(COM1_LINE_CONTROL, LINE_CONTROL_DIVISOR_ACCESS);
    out8(COM1_DIVISOR_LOW, 1); /* 115200 baud */
    out8(COM1_INTERRUPT_ENABLE, 0);
    out8(COM1_LINE_CONTROL, LINE_CONTROL_8N1);
    out8(COM1_FIFO_CONTROL, 0x07);
}

__attribute__((unused)) static void print_char(char character)
{
    while (!(in8(COM1_LINE_STATUS) & LINE_STATUS_HOLDING_REGISTER_EMPTY))
        ;
    out8(COM1, (u8)character);
}

/* Waits until the last character is on the wire. */
__attribute__((unused)) static void console_flush(void)
{
    while (!(in8(COM1_LINE_STATUS) & LINE_STATUS_TRANSMITTER_EMPTY))
        ;
}

__attribute__((unused)) static void print(const char *text)
{
    for (; *text; text++)
        print_char(*text);
}

__attribute__((unused)) static void print_hex(u64 value)
{
    int shift = 60;
    print("0x");
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        print_char("0123456789abcdef"[value >> shift & 15]);
}

__attribute__((unused)) static void print_decimal(u64 value)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        print_char(digits[--count]);
}

#endif
