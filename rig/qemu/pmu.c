/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A performance monitoring unit for x86 vCPUs under TCG.
 *
 * Everything is derived from the number of instructions a vCPU has retired,
 * which is exact under -icount and unknown (zero) without.  That number is
 * split at each change of privilege level, and the vCPU's instruction budget
 * is cut so that it stops right behind the instruction that makes a counter
 * with its interrupt enabled overflow.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/error-report.h"
#include "exec/address-spaces.h"
#include "exec/exec-all.h"
#include "sysemu/cpu-timers.h"
#include "hw/i386/apic.h"
#include "tcg/helper-tcg.h"
#include "pmu.h"

#define COUNTER_BITS    48
#define COUNTER_MASK    MAKE_64BIT_MASK(0, COUNTER_BITS)
#define MAX_COUNTERS    8

/* Bits of PERF_CTL (AMD) and IA32_PERFEVTSEL (Intel) that both share */
#define SEL_USR         (1ULL << 16)
#define SEL_OS          (1ULL << 17)
#define SEL_EDGE        (1ULL << 18)
#define SEL_INT         (1ULL << 20)
#define SEL_EN          (1ULL << 22)
#define SEL_INV         (1ULL << 23)
#define SEL_CMASK       MAKE_64BIT_MASK(24, 8)
#define SEL_NOT_PLAIN   (SEL_EDGE | SEL_INV | SEL_CMASK)

#define AMD_SEL_GUEST_ONLY  (1ULL << 40)
#define AMD_SEL_HOST_ONLY   (1ULL << 41)
#define AMD_SEL_RESERVED    (MAKE_64BIT_MASK(42, 22) | \
                             MAKE_64BIT_MASK(36, 4) | (1ULL << 21) | \
                             (1ULL << 19))
#define HYGON_VENDOR_1      0x6f677948  /* "Hygo" */
#define AMD_GENERAL_K7      4
#define AMD_GENERAL_CORE    6

#define INTEL_GENERAL       4
#define INTEL_FIXED         3
#define INTEL_FIXED_SHIFT   32
#define INTEL_ARCH_EVENTS   7
#define INTEL_SEL_RESERVED  MAKE_64BIT_MASK(32, 32)
#define INTEL_COUNTERS      (MAKE_64BIT_MASK(0, INTEL_GENERAL) | \
                             MAKE_64BIT_MASK(INTEL_FIXED_SHIFT, INTEL_FIXED))
#define INTEL_OVF_EXTRA     MAKE_64BIT_MASK(61, 3)
#define INTEL_FW_WRITE      (1ULL << 13)
/* Performance monitoring available, no BTS, no PEBS */
#define INTEL_MISC_ENABLE   ((1ULL << 7) | (1ULL << 11) | (1ULL << 12))

#define FIXED_CTRL_BITS     4
#define FIXED_CTRL_OS       1
#define FIXED_CTRL_USR      2
#define FIXED_CTRL_PMI      8

#define RDPMC_FIXED         (1U << 30)

#define RIG_PORT            0x5e0
#define RIG_LOG_VARIABLE    "RIG_PMU_LOG"

#define GUEST_KERNEL_START  0xffff800000000000ULL
#define HYPERCALL_XENPMU    40
#define XENPMU_FLUSH        7
#define XENPMU_OPS          (XENPMU_FLUSH + 1)

typedef struct X86PMU X86PMU;

/* The privilege that the USR and OS bits tell apart */
typedef enum PMUMode { MODE_OS, MODE_USR, MODE_NR } PMUMode;

typedef enum PMUSource { COUNT_NOTHING, COUNT_INSNS, COUNT_CYCLES } PMUSource;

typedef struct PMUEvent {
    uint16_t select;
    PMUSource source;
} PMUEvent;

typedef struct PMUCounter {
    uint64_t select;
    uint64_t value;
    /* What select and the global controls amount to */
    PMUSource source;
    bool in_mode[MODE_NR];
    bool interrupt;
} PMUCounter;

/* A run of MSRs; a missing function leaves the access to QEMU. */
typedef struct PMURegister {
    uint32_t first;
    uint32_t stride;
    uint32_t number;
    uint64_t (*read)(X86PMU *pmu, unsigned index);
    /* False if the value is refused */
    bool (*write)(X86PMU *pmu, unsigned index, uint64_t value);
} PMURegister;

typedef struct PMUVendor {
    uint32_t cpuid_vendor1;
    int min_family;
    int max_family;
    unsigned general;
    unsigned fixed;
    FeatureWord feature_word;
    uint32_t feature;
    bool arch_leaf;
    bool pmi_masks_lvt;
    const PMURegister *registers;
    void (*decode)(X86PMU *pmu, unsigned index);
} PMUVendor;

/* What the benchmarks want to know; nothing here is seen by the guest. */
typedef struct PMUWork {
    uint64_t insns[MODE_NR];
    uint64_t traps;
    uint64_t hypercalls;
} PMUWork;

typedef struct PMUAccounting {
    PMUWork total;
    PMUWork at_pmi;
    PMUWork in_pmi;
    bool pmi_open;
    uint64_t pmis_raised;
    uint64_t pmis_closed;
    uint64_t xenpmu[XENPMU_OPS];
    GTree *traps;
} PMUAccounting;

struct X86PMU {
    X86CPU *cpu;
    const PMUVendor *vendor;
    PMUCounter counter[MAX_COUNTERS];
    uint64_t fixed_ctrl;
    uint64_t global_ctrl;
    uint64_t global_status;
    PMUMode mode;
    int64_t accounted;
    bool pmi_pending;
    PMUAccounting acct;
};

static X86PMU *env_pmu(CPUX86State *env)
{
    return env_archcpu(env)->pmu;
}

static unsigned pmu_counters(const X86PMU *pmu)
{
    return pmu->vendor ? pmu->vendor->general + pmu->vendor->fixed : 0;
}

/*
 * Counting
 */

static int64_t budget_left(CPUState *cs)
{
    return cpu_neg(cs)->icount_decr.u16.low + cs->icount_extra;
}

static int64_t insns_retired(CPUState *cs)
{
    return cs->insns_folded + cs->icount_budget - budget_left(cs);
}

static void budget_cut(CPUState *cs, int64_t limit)
{
    int64_t left = budget_left(cs);

    if (limit < left) {
        uint16_t low = MIN(limit, UINT16_MAX);

        cs->icount_budget -= left - limit;
        cs->icount_extra = limit - low;
        cpu_neg(cs)->icount_decr.u16.low = low;
    }
}

static uint64_t global_bit(const X86PMU *pmu, unsigned index)
{
    unsigned general = pmu->vendor->general;

    return 1ULL << (index < general ? index
                    : INTEL_FIXED_SHIFT + index - general);
}

static void counter_advance(X86PMU *pmu, unsigned index, int64_t insns)
{
    PMUCounter *c = &pmu->counter[index];

    c->value += c->source == COUNT_CYCLES ? icount_to_ns(insns) : insns;
    if (c->value > COUNTER_MASK) {
        c->value &= COUNTER_MASK;
        pmu->global_status |= global_bit(pmu, index);
        pmu->pmi_pending |= c->interrupt;
    }
}

static bool counter_runs(const X86PMU *pmu, unsigned index)
{
    const PMUCounter *c = &pmu->counter[index];

    return c->source != COUNT_NOTHING && c->in_mode[pmu->mode];
}

/*
 * Bring the counters up to date.  An instruction whose helper accounts and
 * then faults is taken back by QEMU: wait until the sum has caught up.
 */
static void pmu_account(X86PMU *pmu)
{
    int64_t retired = insns_retired(CPU(pmu->cpu));
    int64_t insns = retired - pmu->accounted;
    unsigned i;

    if (insns <= 0) {
        return;
    }
    pmu->accounted = retired;
    pmu->acct.total.insns[pmu->mode] += insns;
    for (i = 0; i < pmu_counters(pmu); i++) {
        if (counter_runs(pmu, i)) {
            counter_advance(pmu, i, insns);
        }
    }
}

/* Instructions until a counter overflows that is to interrupt */
static int64_t pmu_headroom(X86PMU *pmu)
{
    int64_t headroom = INT64_MAX;
    unsigned i;

    if (pmu->pmi_pending) {
        return 0;
    }
    for (i = 0; i < pmu_counters(pmu); i++) {
        PMUCounter *c = &pmu->counter[i];

        if (c->interrupt && counter_runs(pmu, i)) {
            int64_t missing = COUNTER_MASK + 1 - c->value;

            headroom = MIN(headroom, c->source == COUNT_CYCLES
                                     ? icount_round(missing) : missing);
        }
    }
    return headroom;
}

static void pmu_cut_budget(X86PMU *pmu)
{
    budget_cut(CPU(pmu->cpu), pmu_headroom(pmu));
}

static void pmu_decode(X86PMU *pmu)
{
    unsigned i;

    for (i = 0; i < pmu_counters(pmu); i++) {
        pmu->vendor->decode(pmu, i);
    }
}

static void pmu_raise(X86PMU *pmu)
{
    PMUAccounting *acct = &pmu->acct;

    pmu->pmi_pending = false;
    qemu_mutex_lock_iothread();
    if (apic_deliver_pmi(pmu->cpu->apic_state, pmu->vendor->pmi_masks_lvt)) {
        acct->pmis_raised++;
        acct->pmi_open = true;
        acct->at_pmi = acct->total;
    }
    qemu_mutex_unlock_iothread();
}

void x86_pmu_exec_enter(X86CPU *cpu)
{
    pmu_cut_budget(cpu->pmu);
}

void x86_pmu_exec_exit(X86CPU *cpu)
{
    X86PMU *pmu = cpu->pmu;

    pmu_account(pmu);
    if (pmu->pmi_pending) {
        pmu_raise(pmu);
    }
}

/* SDM and APM agree: OS is level 0, USR all the others. */
void x86_pmu_set_cpl(CPUX86State *env, int cpl)
{
    X86PMU *pmu = env_pmu(env);
    PMUMode mode = cpl ? MODE_USR : MODE_OS;

    if (pmu && pmu->mode != mode) {
        pmu_account(pmu);
        pmu->mode = mode;
        pmu_cut_budget(pmu);
    }
}

/*
 * Registers
 */

static PMUSource event_source(const PMUEvent *event, uint64_t select)
{
    for (; event->source != COUNT_NOTHING; event++) {
        if (event->select == select) {
            return event->source;
        }
    }
    return COUNT_NOTHING;
}

static void counter_decode(PMUCounter *c, PMUSource source)
{
    c->source = source;
    c->in_mode[MODE_OS] = c->select & SEL_OS;
    c->in_mode[MODE_USR] = c->select & SEL_USR;
    c->interrupt = c->select & SEL_INT;
}

static uint64_t counter_read(X86PMU *pmu, unsigned index)
{
    return pmu->counter[index].value;
}

static uint64_t select_read(X86PMU *pmu, unsigned index)
{
    return pmu->counter[index].select;
}

static bool value_refused(X86PMU *pmu, unsigned index, uint64_t value)
{
    return false;
}

/*
 * AMD: APM volume 2, 13.2 and the PERF_CTL/PERF_CTR register descriptions
 */

static const PMUEvent amd_events[] = {
    { 0x076, COUNT_CYCLES },    /* cycles not in halt */
    { 0x0c0, COUNT_INSNS },     /* retired instructions */
    { }
};

static void amd_decode(X86PMU *pmu, unsigned index)
{
    PMUCounter *c = &pmu->counter[index];
    uint64_t event = extract64(c->select, 0, 8) |
                     extract64(c->select, 32, 4) << 8;
    bool guest_only = (c->select & AMD_SEL_GUEST_ONLY) &&
                      !(c->select & AMD_SEL_HOST_ONLY);
    bool counts = (c->select & SEL_EN) && !(c->select & SEL_NOT_PLAIN) &&
                  !guest_only;

    counter_decode(c, counts ? event_source(amd_events, event)
                             : COUNT_NOTHING);
}

static bool amd_select_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    if (value & AMD_SEL_RESERVED) {
        return false;
    }
    pmu->counter[index].select = value;
    return true;
}

static bool amd_counter_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    pmu->counter[index].value = value & COUNTER_MASK;
    return true;
}

#define AMD_K7_REGISTERS \
    { 0xc0010000, 1, AMD_GENERAL_K7, select_read, amd_select_write }, \
    { 0xc0010004, 1, AMD_GENERAL_K7, counter_read, amd_counter_write }

static const PMURegister amd_k7_registers[] = {
    AMD_K7_REGISTERS,
    { }
};

static const PMURegister amd_core_registers[] = {
    AMD_K7_REGISTERS,
    { 0xc0010200, 2, AMD_GENERAL_CORE, select_read, amd_select_write },
    { 0xc0010201, 2, AMD_GENERAL_CORE, counter_read, amd_counter_write },
    { }
};

/*
 * Intel: SDM volume 3B, architectural performance monitoring version 3
 */

static const PMUEvent intel_events[] = {
    { 0x003c, COUNT_CYCLES },   /* core cycles */
    { 0x013c, COUNT_CYCLES },   /* reference cycles: the same clock here */
    { 0x00c0, COUNT_INSNS },    /* instructions retired */
    { }
};

static const PMUSource intel_fixed_source[INTEL_FIXED] = {
    COUNT_INSNS, COUNT_CYCLES, COUNT_CYCLES,
};

static void intel_decode_general(PMUCounter *c)
{
    bool counts = (c->select & SEL_EN) && !(c->select & SEL_NOT_PLAIN);

    counter_decode(c, counts ? event_source(intel_events,
                                            extract64(c->select, 0, 16))
                             : COUNT_NOTHING);
}

static void intel_decode_fixed(PMUCounter *c, unsigned fixed, uint64_t ctrl)
{
    unsigned bits = extract64(ctrl, fixed * FIXED_CTRL_BITS, FIXED_CTRL_BITS);

    c->source = intel_fixed_source[fixed];
    c->in_mode[MODE_OS] = bits & FIXED_CTRL_OS;
    c->in_mode[MODE_USR] = bits & FIXED_CTRL_USR;
    c->interrupt = bits & FIXED_CTRL_PMI;
}

static void intel_decode(X86PMU *pmu, unsigned index)
{
    PMUCounter *c = &pmu->counter[index];

    if (index < INTEL_GENERAL) {
        intel_decode_general(c);
    } else {
        intel_decode_fixed(c, index - INTEL_GENERAL, pmu->fixed_ctrl);
    }
    if (!(pmu->global_ctrl & global_bit(pmu, index))) {
        c->source = COUNT_NOTHING;
    }
}

static bool intel_select_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    if (value & INTEL_SEL_RESERVED) {
        return false;
    }
    pmu->counter[index].select = value;
    return true;
}

static bool intel_legacy_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    pmu->counter[index].value = sextract64(value, 0, 32) & COUNTER_MASK;
    return true;
}

static bool intel_full_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    if (value & ~COUNTER_MASK) {
        return false;
    }
    pmu->counter[index].value = value;
    return true;
}

static uint64_t intel_fixed_read(X86PMU *pmu, unsigned index)
{
    return counter_read(pmu, INTEL_GENERAL + index);
}

static bool intel_fixed_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    return intel_full_write(pmu, INTEL_GENERAL + index, value);
}

static uint64_t intel_fixed_ctrl_read(X86PMU *pmu, unsigned index)
{
    return pmu->fixed_ctrl;
}

static bool intel_fixed_ctrl_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    if (value & ~MAKE_64BIT_MASK(0, INTEL_FIXED * FIXED_CTRL_BITS)) {
        return false;
    }
    pmu->fixed_ctrl = value;
    return true;
}

static uint64_t intel_global_status_read(X86PMU *pmu, unsigned index)
{
    return pmu->global_status;
}

static uint64_t intel_global_ctrl_read(X86PMU *pmu, unsigned index)
{
    return pmu->global_ctrl;
}

static bool intel_global_ctrl_write(X86PMU *pmu, unsigned index,
                                    uint64_t value)
{
    if (value & ~INTEL_COUNTERS) {
        return false;
    }
    pmu->global_ctrl = value;
    return true;
}

static uint64_t intel_ovf_ctrl_read(X86PMU *pmu, unsigned index)
{
    return 0;
}

static bool intel_ovf_ctrl_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    if (value & ~(INTEL_COUNTERS | INTEL_OVF_EXTRA)) {
        return false;
    }
    pmu->global_status &= ~value;
    return true;
}

static uint64_t intel_capabilities_read(X86PMU *pmu, unsigned index)
{
    return INTEL_FW_WRITE;
}

static uint64_t intel_misc_enable_read(X86PMU *pmu, unsigned index)
{
    return pmu->cpu->env.msr_ia32_misc_enable | INTEL_MISC_ENABLE;
}

static const PMURegister intel_registers[] = {
    { MSR_P6_PERFCTR0, 1, INTEL_GENERAL, counter_read, intel_legacy_write },
    { MSR_P6_EVNTSEL0, 1, INTEL_GENERAL, select_read, intel_select_write },
    { MSR_IA32_MISC_ENABLE, 1, 1, intel_misc_enable_read },
    { MSR_CORE_PERF_FIXED_CTR0, 1, INTEL_FIXED,
      intel_fixed_read, intel_fixed_write },
    { MSR_IA32_PERF_CAPABILITIES, 1, 1,
      intel_capabilities_read, value_refused },
    { MSR_CORE_PERF_FIXED_CTR_CTRL, 1, 1,
      intel_fixed_ctrl_read, intel_fixed_ctrl_write },
    { MSR_CORE_PERF_GLOBAL_STATUS, 1, 1,
      intel_global_status_read, value_refused },
    { MSR_CORE_PERF_GLOBAL_CTRL, 1, 1,
      intel_global_ctrl_read, intel_global_ctrl_write },
    { MSR_CORE_PERF_GLOBAL_OVF_CTRL, 1, 1,
      intel_ovf_ctrl_read, intel_ovf_ctrl_write },
    { 0x4c1, 1, INTEL_GENERAL, counter_read, intel_full_write },
    { }
};

static const PMUVendor pmu_vendors[] = {
    {
        .cpuid_vendor1 = CPUID_VENDOR_AMD_1,
        .min_family = 0x6,
        .max_family = 0x14,
        .general = AMD_GENERAL_K7,
        .registers = amd_k7_registers,
        .decode = amd_decode,
    }, {
        .cpuid_vendor1 = CPUID_VENDOR_AMD_1,
        .min_family = 0x15,
        .max_family = INT_MAX,
        .general = AMD_GENERAL_CORE,
        .feature_word = FEAT_8000_0001_ECX,
        .feature = CPUID_EXT3_PERFCORE,
        .registers = amd_core_registers,
        .decode = amd_decode,
    }, {
        .cpuid_vendor1 = HYGON_VENDOR_1,
        .min_family = 0x18,
        .max_family = 0x18,
        .general = AMD_GENERAL_CORE,
        .feature_word = FEAT_8000_0001_ECX,
        .feature = CPUID_EXT3_PERFCORE,
        .registers = amd_core_registers,
        .decode = amd_decode,
    }, {
        .cpuid_vendor1 = CPUID_VENDOR_INTEL_1,
        .min_family = 0x6,
        .max_family = 0x6,
        .general = INTEL_GENERAL,
        .fixed = INTEL_FIXED,
        .feature_word = FEAT_1_ECX,
        .feature = CPUID_EXT_PDCM,
        .arch_leaf = true,
        .pmi_masks_lvt = true,
        .registers = intel_registers,
        .decode = intel_decode,
    },
};

/*
 * Access from the guest
 */

static const PMURegister *pmu_find(X86PMU *pmu, uint32_t msr, unsigned *index)
{
    const PMURegister *reg;

    if (!pmu->vendor) {
        return NULL;
    }
    for (reg = pmu->vendor->registers; reg->number; reg++) {
        uint32_t offset = msr - reg->first;

        if (offset % reg->stride == 0 && offset / reg->stride < reg->number) {
            *index = offset / reg->stride;
            return reg;
        }
    }
    return NULL;
}

bool x86_pmu_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *value)
{
    X86PMU *pmu = env_pmu(env);
    unsigned index;
    const PMURegister *reg = pmu_find(pmu, msr, &index);

    if (!reg) {
        return false;
    }
    pmu_account(pmu);
    *value = reg->read(pmu, index);
    return true;
}

bool x86_pmu_wrmsr(CPUX86State *env, uint32_t msr, uint64_t value,
                   uintptr_t ra)
{
    X86PMU *pmu = env_pmu(env);
    unsigned index;
    const PMURegister *reg = pmu_find(pmu, msr, &index);

    if (!reg || !reg->write) {
        return false;
    }
    pmu_account(pmu);
    if (!reg->write(pmu, index, value)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
    pmu_decode(pmu);
    pmu_cut_budget(pmu);
    return true;
}

bool x86_pmu_rdpmc(CPUX86State *env, uint32_t index, uint64_t *value)
{
    X86PMU *pmu = env_pmu(env);
    const PMUVendor *vendor = pmu->vendor;
    bool fixed = index & RDPMC_FIXED;

    if (!vendor) {
        return false;
    }
    index &= ~RDPMC_FIXED;
    if (index >= (fixed ? vendor->fixed : vendor->general)) {
        return false;
    }
    pmu_account(pmu);
    *value = counter_read(pmu, fixed ? vendor->general + index : index);
    return true;
}

void x86_pmu_cpuid(X86CPU *cpu, uint32_t *eax, uint32_t *ebx,
                   uint32_t *ecx, uint32_t *edx)
{
    const PMUVendor *vendor = cpu->pmu->vendor;

    *eax = *ebx = *ecx = *edx = 0;
    if (vendor && vendor->arch_leaf) {
        *eax = 3 | vendor->general << 8 | COUNTER_BITS << 16 |
               INTEL_ARCH_EVENTS << 24;
        *edx = vendor->fixed | COUNTER_BITS << 5;
    }
}

/*
 * Accounting for the benchmarks
 */

static gint trap_order(gconstpointer a, gconstpointer b, gpointer unused)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

/* The instruction has not been executed: it is about to raise #GP. */
void x86_pmu_msr_trap(CPUX86State *env, bool write)
{
    PMUAccounting *acct = &env_pmu(env)->acct;
    uint64_t key = (uint64_t)(uint32_t)env->regs[R_ECX] << 1 | write;
    uint64_t *count = g_tree_lookup(acct->traps, &key);

    if (!count) {
        count = g_new0(uint64_t, 1);
        g_tree_insert(acct->traps, g_memdup2(&key, sizeof(key)), count);
    }
    ++*count;
    acct->total.traps++;
}

static void work_add_since(PMUWork *sum, const PMUWork *now,
                           const PMUWork *then)
{
    int mode;

    for (mode = 0; mode < MODE_NR; mode++) {
        sum->insns[mode] += now->insns[mode] - then->insns[mode];
    }
    sum->traps += now->traps - then->traps;
    sum->hypercalls += now->hypercalls - then->hypercalls;
}

static void pmi_close(X86PMU *pmu)
{
    PMUAccounting *acct = &pmu->acct;

    if (acct->pmi_open) {
        pmu_account(pmu);
        acct->pmi_open = false;
        acct->pmis_closed++;
        work_add_since(&acct->in_pmi, &acct->total, &acct->at_pmi);
    }
}

/* A syscall from a kernel address outside level 0 is a PV hypercall. */
void x86_pmu_syscall(CPUX86State *env)
{
    X86PMU *pmu = env_pmu(env);
    uint32_t op = env->regs[R_EDI];

    if (pmu->mode != MODE_USR || env->eip < GUEST_KERNEL_START) {
        return;
    }
    pmu->acct.total.hypercalls++;
    if ((uint32_t)env->regs[R_EAX] != HYPERCALL_XENPMU) {
        return;
    }
    if (op < XENPMU_OPS) {
        pmu->acct.xenpmu[op]++;
    }
    if (op == XENPMU_FLUSH) {
        pmi_close(pmu);
    }
}

typedef struct LogLine {
    FILE *log;
    int cpu;
} LogLine;

static gboolean log_trap(gpointer key, gpointer value, gpointer opaque)
{
    LogLine *line = opaque;
    uint64_t trap = *(uint64_t *)key;

    fprintf(line->log, "cpu %d trap %s 0x%" PRIx64 " %" PRIu64 "\n",
            line->cpu, trap & 1 ? "wr" : "rd", trap >> 1, *(uint64_t *)value);
    return FALSE;
}

static void log_cpu(FILE *log, int cpu, const PMUAccounting *acct)
{
    LogLine line = { log, cpu };
    int op;

    fprintf(log, "cpu %d instr_usr %" PRIu64 " instr_os %" PRIu64 "\n", cpu,
            acct->total.insns[MODE_USR], acct->total.insns[MODE_OS]);
    g_tree_foreach(acct->traps, log_trap, &line);
    for (op = 0; op < XENPMU_OPS; op++) {
        if (acct->xenpmu[op]) {
            fprintf(log, "cpu %d hypercall xenpmu %d %" PRIu64 "\n", cpu, op,
                    acct->xenpmu[op]);
        }
    }
    fprintf(log, "cpu %d pmi count %" PRIu64 " usr %" PRIu64 " os %" PRIu64
            " traps %" PRIu64 " hypercalls %" PRIu64 "\n", cpu,
            acct->pmis_closed, acct->in_pmi.insns[MODE_USR],
            acct->in_pmi.insns[MODE_OS], acct->in_pmi.traps,
            acct->in_pmi.hypercalls);
    fprintf(log, "cpu %d pmis_raised %" PRIu64 "\n", cpu, acct->pmis_raised);
}

static void rig_port_write(void *opaque, hwaddr addr, uint64_t label,
                           unsigned size)
{
    const char *path = getenv(RIG_LOG_VARIABLE);
    FILE *log = path ? fopen(path, "a") : NULL;
    CPUState *cs;

    if (!log) {
        return;
    }
    fprintf(log, "snapshot %" PRIu64 "\n", label);
    CPU_FOREACH(cs) {
        X86PMU *pmu = X86_CPU(cs)->pmu;

        pmu_account(pmu);
        log_cpu(log, cs->cpu_index, &pmu->acct);
    }
    fprintf(log, "end\n");
    fclose(log);
}

static uint64_t rig_port_read(void *opaque, hwaddr addr, unsigned size)
{
    return UINT64_MAX;
}

static const MemoryRegionOps rig_port_ops = {
    .read = rig_port_read,
    .write = rig_port_write,
    .valid.min_access_size = 4,
    .valid.max_access_size = 4,
    .impl.min_access_size = 4,
    .impl.max_access_size = 4,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void rig_port_realize(void)
{
    static MemoryRegion port;

    if (!port.ops) {
        memory_region_init_io(&port, NULL, &rig_port_ops, NULL, "rig-pmu", 4);
        memory_region_add_subregion(get_system_io(), RIG_PORT, &port);
    }
}

/*
 * Life cycle
 */

static int cpuid_family(const CPUX86State *env)
{
    int family = extract32(env->cpuid_version, 8, 4);

    return family == 0xf ? family + extract32(env->cpuid_version, 20, 8)
                         : family;
}

static const PMUVendor *vendor_find(const CPUX86State *env)
{
    int family = cpuid_family(env);
    int i;

    for (i = 0; i < ARRAY_SIZE(pmu_vendors); i++) {
        const PMUVendor *vendor = &pmu_vendors[i];

        if (vendor->cpuid_vendor1 == env->cpuid_vendor1 &&
            vendor->min_family <= family && family <= vendor->max_family) {
            return vendor;
        }
    }
    return NULL;
}

void x86_pmu_realize(X86CPU *cpu)
{
    X86PMU *pmu = g_new0(X86PMU, 1);

    pmu->cpu = cpu;
    pmu->vendor = vendor_find(&cpu->env);
    pmu->acct.traps = g_tree_new_full(trap_order, NULL, g_free, g_free);
    cpu->pmu = pmu;
    if (pmu->vendor) {
        cpu->enable_pmu = true;
        cpu->env.features[pmu->vendor->feature_word] |= pmu->vendor->feature;
    }
    if (!icount_enabled()) {
        warn_report_once("without -icount no PMU event is counted");
    }
    rig_port_realize();
}

/*
 * The general counters come up enabled in the global control.  QEMU's common
 * reset has thrown the instruction budget away already, so what seems to have
 * been retired since the last accounting has not been: skip it.
 */
void x86_pmu_reset(X86CPU *cpu)
{
    X86PMU *pmu = cpu->pmu;

    pmu->accounted = insns_retired(CPU(cpu));
    memset(pmu->counter, 0, sizeof(pmu->counter));
    pmu->fixed_ctrl = 0;
    pmu->global_status = 0;
    pmu->global_ctrl = pmu->vendor
                       ? MAKE_64BIT_MASK(0, pmu->vendor->general) : 0;
    pmu->pmi_pending = false;
    pmu->mode = MODE_OS;
}
