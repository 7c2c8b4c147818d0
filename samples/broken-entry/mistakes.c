/*
 * Each function spoils one field of a VMCS that is otherwise right. Nothing here says which rule is broken: that is the
 * debugger's part. The README has the answers.
 */
#include "mistakes.h"

#include "console.h"
#include "vmx.h"

static void control(void)
{
    vmwrite(PIN_BASED_CONTROLS, vmread(PIN_BASED_CONTROLS) & ~(1ul << 1));
}

static void host_selector(void)
{
    vmwrite(HOST_SS_SELECTOR, vmread(HOST_SS_SELECTOR) | 3);
}

static void guest_cs(void)
{
    vmwrite(GUEST_CS_ACCESS_RIGHTS, vmread(GUEST_CS_ACCESS_RIGHTS) | 1ul << 14);
}

static void guest_rflags(void)
{
    vmwrite(GUEST_RFLAGS, vmread(GUEST_RFLAGS) & ~RFLAGS_FIXED);
}

static void link_pointer(void)
{
    vmwrite(VMCS_LINK_POINTER, 0x1234);
}

static const struct mistake mistakes[] = {
    {"control", control},           {"host-selector", host_selector}, {"guest-cs", guest_cs},
    {"guest-rflags", guest_rflags}, {"link-pointer", link_pointer},
};

#define MISTAKES (sizeof mistakes / sizeof mistakes[0])
#define OPTION "mistake="

/* The text behind `prefix`, or null if `text` does not start with it. */
static const char *after(const char *text, const char *prefix)
{
    while (*prefix)
        if (*text++ != *prefix++)
            return 0;
    return text;
}

static int is_end(char character)
{
    return character == '\0' || character == ' ';
}

static const struct mistake *named(const char *text)
{
    for (u32 i = 0; i < MISTAKES; i++) {
        const char *rest = after(text, mistakes[i].name);
        if (rest && is_end(*rest))
            return &mistakes[i];
    }
    if (text[0] >= '1' && text[0] < (char)('1' + MISTAKES) && is_end(text[1]))
        return &mistakes[text[0] - '1'];
    if (!after(text, "none"))
        print("vmm: there is no such mistake; the README lists them\n");
    return 0;
}

const struct mistake *mistake_asked_for(const char *command_line)
{
    for (; *command_line; command_line++) {
        const char *value = after(command_line, OPTION);
        if (value)
            return named(value);
    }
    return 0;
}
