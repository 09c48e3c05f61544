/* A library for LD_PRELOAD: whatever runs in the process finds a processor without AVX-512 and AMX.

Environment variables tell NumPy's BLAS, PyTorch and Numba to leave AVX-512 alone, each its own one; JAX calls
libraries that listen to none. But all of them ask the processor, by the instruction CPUID, and Linux can let that
instruction fail (arch_prctl ARCH_SET_CPUID, on processors with the flag cpuid_fault). Then the handler below executes
it, clears the bits of what is to be hidden, and the program goes on behind it.

    cc -O2 -shared -fPIC -o hide_avx512.so hide_avx512.c
    LD_PRELOAD=./hide_avx512.so python ...
*/
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012 /* asm/prctl.h, which not every system ships */
#define BIT(n) (1u << (n))

enum { EAX, EBX, ECX, EDX };

static struct sigaction previous;

/* Intel, Software Developer's Manual, volume 2, CPUID: leaves 7 and 13. */
static void hide(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    if (leaf == 7 && subleaf == 0) {
        r[EBX] &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31)); /* AVX512F ... VL */
        r[ECX] &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14)); /* AVX512_VBMI ... VPOPCNTDQ */
        r[EDX] &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(23)); /* AVX512_4VNNIW, 4FMAPS, VP2INTERSECT, FP16 */
        r[EDX] &= ~(BIT(22) | BIT(24) | BIT(25)); /* AMX_BF16, TILE, INT8 */
    } else if (leaf == 7 && subleaf == 1) {
        r[EAX] &= ~(BIT(4) | BIT(5) | BIT(21)); /* AVX_VNNI, AVX512_BF16, AMX_FP16 */
    } else if (leaf == 13 && subleaf == 0) {
        r[EAX] &= BIT(0) | BIT(1) | BIT(2); /* registers that the system saves: x87, SSE, AVX */
    }
}

static int is_cpuid(const siginfo_t *info, const unsigned char *code)
{
    return info->si_code == SI_KERNEL && code[0] == 0x0f && code[1] == 0xa2;
}

static void answer(greg_t *g)
{
    uint32_t r[4], leaf = (uint32_t)g[REG_RAX], subleaf = (uint32_t)g[REG_RCX];

    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    __cpuid_count(leaf, subleaf, r[EAX], r[EBX], r[ECX], r[EDX]);
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
    hide(leaf, subleaf, r);
    g[REG_RAX] = r[EAX];
    g[REG_RBX] = r[EBX];
    g[REG_RCX] = r[ECX];
    g[REG_RDX] = r[EDX];
    g[REG_RIP] += 2;
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

    if (is_cpuid(info, (const unsigned char *)g[REG_RIP])) {
        answer(g);
    } else if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal_number, info, context);
    } else {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
}

__attribute__((constructor)) static void begin(void)
{
    static const char problem[] = "hide_avx512: this processor or system cannot let CPUID fail\n";
    struct sigaction ours;

    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &ours, &previous);
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0) {
        if (write(STDERR_FILENO, problem, sizeof problem - 1) < 0) {
            _exit(3);
        }
        _exit(2);
    }
}
