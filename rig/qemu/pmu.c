/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A performance monitoring unit for x86 vCPUs under TCG.
 *
 * Everything is derived from the numbers of instructions and of branches that
 * a vCPU has retired, which are exact under -icount and unknown (zero) without.
 * They are split at each change of privilege level, and the vCPU's instruction
 * budget is cut so that it stops right behind the instruction that makes a
 * counter with its interrupt enabled overflow.
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
#define MAX_GENERAL     10
#define MAX_FIXED       16
#define MAX_COUNTERS    (MAX_GENERAL + MAX_FIXED)

/* Bits of PERF_CTL (AMD) and IA32_PERFEVTSEL (Intel) that both share */
#define SEL_USR         (1ULL << 16)
#define SEL_OS          (1ULL << 17)
#define SEL_EDGE        (1ULL << 18)
#define SEL_INT         (1ULL << 20)
#define SEL_EN          (1ULL << 22)
#define SEL_INV         (1ULL << 23)
#define SEL_CMASK_SHIFT 24
#define SEL_CMASK_BITS  8

#define AMD_SEL_GUEST_ONLY  (1ULL << 40)
#define AMD_SEL_HOST_ONLY   (1ULL << 41)
#define AMD_SEL_RESERVED    (MAKE_64BIT_MASK(42, 22) | \
                             MAKE_64BIT_MASK(36, 4) | (1ULL << 21) | \
                             (1ULL << 19))
#define HYGON_VENDOR_1      0x6f677948  /* "Hygo" */
#define AMD_GENERAL_K7      4
#define AMD_GENERAL_CORE    6

#define INTEL_FIXED_SHIFT   32
#define INTEL_FIXED_NAMED   4
#define INTEL_SEL_RESERVED  MAKE_64BIT_MASK(32, 32)
#define INTEL_METRICS_ON    (1ULL << 48)
#define INTEL_OVF_EXTRA     MAKE_64BIT_MASK(61, 3)
#define INTEL_FW_WRITE      (1ULL << 13)
#define INTEL_METRICS       (1ULL << 15)
#define INTEL_NO_ANYTHREAD  (1U << 15)
#define INTEL_SLOTS_EVENT   7
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

/*
 * What can be counted.  There are no caches and no predictor: what stands for
 * them is a fixed part of what ran, so that no common event is nothing.
 */
typedef enum PMUSource {
    COUNT_NOTHING,
    COUNT_INSNS,
    COUNT_CYCLES,
    COUNT_BRANCHES,
    COUNT_MISPREDICTED,     /* one of 16 branches */
    COUNT_CACHE_REFS,       /* one for 64 instructions */
    COUNT_CACHE_MISSES,     /* one for 512 */
    COUNT_SLOTS,            /* four in a cycle */
    SOURCES,
} PMUSource;

#define BRANCHES_PER_MISS   16
#define INSNS_PER_REF       64
#define INSNS_PER_MISS      512
#define SLOTS_PER_CYCLE     4

/* What of them: CMASK, INV and EDGE make a number of cycles of it */
typedef enum PMUFilter { ALL, CYCLES_WITH, CYCLES_WITHOUT } PMUFilter;

typedef struct PMUEvent {
    uint16_t select;
    PMUSource source;
} PMUEvent;

typedef struct PMUCounter {
    uint64_t select;
    uint64_t value;
    /* What select and the global controls amount to */
    PMUSource source;
    PMUFilter filter;
    bool in_mode[MODE_NR];
    bool interrupt;
} PMUCounter;

/* Whether the register is there depends on the processor */
typedef enum PMUPresence {
    ALWAYS, WITH_GENERAL, WITH_FIXED, WITH_FULL_WIDTH, WITH_METRICS,
} PMUPresence;

/* A run of MSRs; a missing function leaves the access to QEMU. */
typedef struct PMURegister {
    PMUPresence presence;
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
    unsigned general;       /* 0: the CPU's properties tell */
    FeatureWord feature_word;
    uint32_t feature;
    bool arch_leaf;
    bool pmi_masks_lvt;
    const PMURegister *registers;
    void (*decode)(X86PMU *pmu, unsigned index);
} PMUVendor;

/* What the benchmarks want to know; nothing here is seen by the guest. */
typedef struct PMUWork {
    uint64_t events[SOURCES][MODE_NR];
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
    unsigned general;
    uint32_t fixed;         /* a bit for each */
    PMUCounter counter[MAX_COUNTERS];
    uint64_t fixed_ctrl;
    uint64_t global_ctrl;
    uint64_t global_status;
    uint64_t metrics;
    PMUMode mode;
    int64_t accounted;
    uint64_t total[SOURCES];
    bool pmi_pending;
    PMUAccounting acct;
};

static X86PMU *env_pmu(CPUX86State *env)
{
    return env_archcpu(env)->pmu;
}

/* General counters come first, fixed ones from MAX_GENERAL on. */
static bool counter_exists(const X86PMU *pmu, unsigned index)
{
    return index < MAX_GENERAL ? index < pmu->general
                               : pmu->fixed >> (index - MAX_GENERAL) & 1;
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

static uint64_t global_bit(unsigned index)
{
    return 1ULL << (index < MAX_GENERAL ? index
                    : INTEL_FIXED_SHIFT + index - MAX_GENERAL);
}

/* In a cycle one instruction retires or none, so one event happens or none. */
static uint64_t cycles_with(PMUSource source, const uint64_t *total)
{
    return source == COUNT_SLOTS ? total[COUNT_CYCLES] : total[source];
}

static uint64_t counter_total(const PMUCounter *c, const uint64_t *total)
{
    switch (c->filter) {
    case CYCLES_WITH:
        return cycles_with(c->source, total);
    case CYCLES_WITHOUT:
        return total[COUNT_CYCLES] - cycles_with(c->source, total);
    default:
        return total[c->source];
    }
}

static bool counter_runs(const X86PMU *pmu, unsigned index)
{
    const PMUCounter *c = &pmu->counter[index];

    return counter_exists(pmu, index) && c->in_mode[pmu->mode];
}

static void counter_advance(X86PMU *pmu, unsigned index, uint64_t events)
{
    PMUCounter *c = &pmu->counter[index];

    c->value += events;
    if (c->value > COUNTER_MASK) {
        c->value &= COUNTER_MASK;
        pmu->global_status |= global_bit(index);
        pmu->pmi_pending |= c->interrupt;
    }
}

static void totals_update(X86PMU *pmu, int64_t insns)
{
    uint64_t *total = pmu->total;

    total[COUNT_INSNS] += insns;
    total[COUNT_CYCLES] += icount_to_ns(insns);
    total[COUNT_BRANCHES] = pmu->cpu->env.branches;
    total[COUNT_MISPREDICTED] = total[COUNT_BRANCHES] / BRANCHES_PER_MISS;
    total[COUNT_CACHE_REFS] = total[COUNT_INSNS] / INSNS_PER_REF;
    total[COUNT_CACHE_MISSES] = total[COUNT_INSNS] / INSNS_PER_MISS;
    total[COUNT_SLOTS] = total[COUNT_CYCLES] * SLOTS_PER_CYCLE;
}

/*
 * Bring the counters up to date.  An instruction whose helper accounts and
 * then faults is taken back by QEMU: wait until the sum has caught up.
 */
static void pmu_account(X86PMU *pmu)
{
    int64_t retired = insns_retired(CPU(pmu->cpu));
    int64_t insns = retired - pmu->accounted;
    PMUWork *work = &pmu->acct.total;
    uint64_t before[SOURCES];
    unsigned i;

    if (insns <= 0) {
        return;
    }
    pmu->accounted = retired;
    memcpy(before, pmu->total, sizeof(before));
    totals_update(pmu, insns);
    for (i = 0; i < SOURCES; i++) {
        work->events[i][pmu->mode] += pmu->total[i] - before[i];
    }
    for (i = 0; i < MAX_COUNTERS; i++) {
        if (counter_runs(pmu, i)) {
            const PMUCounter *c = &pmu->counter[i];

            counter_advance(pmu, i, counter_total(c, pmu->total) -
                                    counter_total(c, before));
        }
    }
}

/*
 * So many instructions at least until @missing events have happened.  It is
 * exact where an event goes with instructions; else, the closer it comes, the
 * shorter is the way to the next look, and it is never passed.
 */
static int64_t insns_until(const X86PMU *pmu, const PMUCounter *c,
                           uint64_t missing)
{
    const uint64_t *total = pmu->total;

    if (c->filter == CYCLES_WITHOUT) {
        return icount_round(missing);
    }
    switch (c->source) {
    case COUNT_CYCLES:
        return icount_round(missing);
    case COUNT_SLOTS:
        return icount_round(c->filter == CYCLES_WITH ? missing
                            : DIV_ROUND_UP(missing, SLOTS_PER_CYCLE));
    case COUNT_MISPREDICTED:
        return missing * BRANCHES_PER_MISS -
               total[COUNT_BRANCHES] % BRANCHES_PER_MISS;
    case COUNT_CACHE_REFS:
        return missing * INSNS_PER_REF - total[COUNT_INSNS] % INSNS_PER_REF;
    case COUNT_CACHE_MISSES:
        return missing * INSNS_PER_MISS - total[COUNT_INSNS] % INSNS_PER_MISS;
    default:
        return missing;
    }
}

/* Instructions until a counter may overflow that is to interrupt */
static int64_t pmu_headroom(X86PMU *pmu)
{
    int64_t headroom = INT64_MAX;
    unsigned i;

    if (pmu->pmi_pending) {
        return 0;
    }
    for (i = 0; i < MAX_COUNTERS; i++) {
        const PMUCounter *c = &pmu->counter[i];

        if (c->interrupt && c->source != COUNT_NOTHING && counter_runs(pmu, i)) {
            headroom = MIN(headroom,
                           insns_until(pmu, c, COUNTER_MASK + 1 - c->value));
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

    for (i = 0; i < MAX_COUNTERS; i++) {
        if (counter_exists(pmu, i)) {
            pmu->vendor->decode(pmu, i);
        }
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

static bool in_every_cycle(PMUSource source)
{
    return source == COUNT_CYCLES || source == COUNT_SLOTS;
}

/*
 * SDM and APM: with CMASK a counter counts the cycles in which as many events
 * happen, with INV those in which fewer do, with EDGE how often that begins.
 * INV without CMASK is as if it was not set; EDGE then looks at any event.
 */
static void counter_filter(PMUCounter *c)
{
    uint64_t cmask = extract64(c->select, SEL_CMASK_SHIFT, SEL_CMASK_BITS);
    bool inverted = cmask && c->select & SEL_INV;
    uint64_t most = c->source == COUNT_SLOTS ? SLOTS_PER_CYCLE : 1;

    c->filter = ALL;
    if (c->select & SEL_EDGE) {
        /* An event has a cycle before it without one, and one after it. */
        if (cmask > most || in_every_cycle(c->source)) {
            c->source = COUNT_NOTHING;
        }
    } else if (cmask > most) {
        c->source = inverted ? COUNT_CYCLES : COUNT_NOTHING;
    } else if (cmask) {
        c->filter = inverted ? CYCLES_WITHOUT : CYCLES_WITH;
    }
}

static void counter_decode(PMUCounter *c, PMUSource source)
{
    c->source = source;
    c->filter = ALL;
    if (source != COUNT_NOTHING) {
        counter_filter(c);
    }
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

/* Unit masks are not looked at. */
static const PMUEvent amd_events[] = {
    { 0x076, COUNT_CYCLES },    /* cycles not in halt */
    { 0x0c0, COUNT_INSNS },     /* retired instructions */
    { 0x0c2, COUNT_BRANCHES },
    { 0x0c3, COUNT_MISPREDICTED },
    { 0x07d, COUNT_CACHE_REFS },    /* up to family 16h */
    { 0x07e, COUNT_CACHE_MISSES },
    { 0x060, COUNT_CACHE_REFS },    /* family 17h and later */
    { 0x064, COUNT_CACHE_MISSES },
    { }
};

static void amd_decode(X86PMU *pmu, unsigned index)
{
    PMUCounter *c = &pmu->counter[index];
    uint64_t event = extract64(c->select, 0, 8) |
                     extract64(c->select, 32, 4) << 8;
    bool guest_only = (c->select & AMD_SEL_GUEST_ONLY) &&
                      !(c->select & AMD_SEL_HOST_ONLY);
    bool counts = (c->select & SEL_EN) && !guest_only;

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
    { ALWAYS, 0xc0010000, 1, AMD_GENERAL_K7, select_read, amd_select_write }, \
    { ALWAYS, 0xc0010004, 1, AMD_GENERAL_K7, counter_read, amd_counter_write }

static const PMURegister amd_k7_registers[] = {
    AMD_K7_REGISTERS,
    { }
};

static const PMURegister amd_core_registers[] = {
    AMD_K7_REGISTERS,
    { ALWAYS, 0xc0010200, 2, AMD_GENERAL_CORE, select_read, amd_select_write },
    { ALWAYS, 0xc0010201, 2, AMD_GENERAL_CORE, counter_read, amd_counter_write },
    { }
};

/*
 * Intel: SDM volume 3B, architectural performance monitoring versions 1 to 5
 */

static const PMUEvent intel_events[] = {
    { 0x003c, COUNT_CYCLES },   /* core cycles */
    { 0x013c, COUNT_CYCLES },   /* reference cycles: the same clock here */
    { 0x00c0, COUNT_INSNS },    /* instructions retired */
    { 0x00c4, COUNT_BRANCHES },
    { 0x00c5, COUNT_MISPREDICTED },
    { 0x4f2e, COUNT_CACHE_REFS },
    { 0x412e, COUNT_CACHE_MISSES },
    { 0x01a4, COUNT_SLOTS },
    { }
};

/* Those behind are of small cores, and count nothing here. */
static const PMUSource intel_fixed_source[INTEL_FIXED_NAMED] = {
    COUNT_INSNS, COUNT_CYCLES, COUNT_CYCLES, COUNT_SLOTS,
};

static PMUSource intel_source(const X86PMU *pmu, uint64_t select)
{
    PMUSource source = event_source(intel_events, extract64(select, 0, 16));

    return source == COUNT_SLOTS &&
           pmu->cpu->pmu_shape.events <= INTEL_SLOTS_EVENT ? COUNT_NOTHING
                                                           : source;
}

static void intel_decode_general(const X86PMU *pmu, PMUCounter *c)
{
    counter_decode(c, c->select & SEL_EN ? intel_source(pmu, c->select)
                                         : COUNT_NOTHING);
}

static void intel_decode_fixed(PMUCounter *c, unsigned fixed, uint64_t ctrl)
{
    unsigned bits = extract64(ctrl, fixed * FIXED_CTRL_BITS, FIXED_CTRL_BITS);

    c->source = fixed < INTEL_FIXED_NAMED ? intel_fixed_source[fixed]
                                          : COUNT_NOTHING;
    c->in_mode[MODE_OS] = bits & FIXED_CTRL_OS;
    c->in_mode[MODE_USR] = bits & FIXED_CTRL_USR;
    c->interrupt = bits & FIXED_CTRL_PMI;
}

static void intel_decode(X86PMU *pmu, unsigned index)
{
    PMUCounter *c = &pmu->counter[index];

    if (index < MAX_GENERAL) {
        intel_decode_general(pmu, c);
    } else {
        intel_decode_fixed(c, index - MAX_GENERAL, pmu->fixed_ctrl);
    }
    if (!(pmu->global_ctrl & global_bit(index))) {
        c->source = COUNT_NOTHING;
        c->filter = ALL;
    }
}

/* Bits of the global registers that stand for counters */
static uint64_t intel_counters(const X86PMU *pmu)
{
    return ((1ULL << pmu->general) - 1) |
           (uint64_t)pmu->fixed << INTEL_FIXED_SHIFT;
}

static uint64_t intel_fixed_ctrl_bits(const X86PMU *pmu)
{
    uint64_t bits = 0;
    unsigned i;

    for (i = 0; i < MAX_FIXED; i++) {
        if (counter_exists(pmu, MAX_GENERAL + i)) {
            bits |= MAKE_64BIT_MASK(i * FIXED_CTRL_BITS, FIXED_CTRL_BITS);
        }
    }
    return bits;
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
    return counter_read(pmu, MAX_GENERAL + index);
}

static bool intel_fixed_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    return intel_full_write(pmu, MAX_GENERAL + index, value);
}

static uint64_t intel_fixed_ctrl_read(X86PMU *pmu, unsigned index)
{
    return pmu->fixed_ctrl;
}

static bool intel_fixed_ctrl_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    if (value & ~intel_fixed_ctrl_bits(pmu)) {
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
    uint64_t metrics = pmu->cpu->pmu_shape.metrics ? INTEL_METRICS_ON : 0;

    if (value & ~(intel_counters(pmu) | metrics)) {
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
    if (value & ~(intel_counters(pmu) | INTEL_OVF_EXTRA)) {
        return false;
    }
    pmu->global_status &= ~value;
    return true;
}

static uint64_t intel_capabilities_read(X86PMU *pmu, unsigned index)
{
    const struct X86PMUShape *shape = &pmu->cpu->pmu_shape;

    return (shape->full_width ? INTEL_FW_WRITE : 0) |
           (shape->metrics ? INTEL_METRICS : 0);
}

static uint64_t intel_misc_enable_read(X86PMU *pmu, unsigned index)
{
    return pmu->cpu->env.msr_ia32_misc_enable | INTEL_MISC_ENABLE;
}

/* The parts of the slots are whatever was written: nothing measures them. */
static uint64_t intel_metrics_read(X86PMU *pmu, unsigned index)
{
    return pmu->metrics;
}

static bool intel_metrics_write(X86PMU *pmu, unsigned index, uint64_t value)
{
    pmu->metrics = value;
    return true;
}

static const PMURegister intel_registers[] = {
    { WITH_GENERAL, MSR_P6_PERFCTR0, 1, MAX_GENERAL,
      counter_read, intel_legacy_write },
    { WITH_GENERAL, MSR_P6_EVNTSEL0, 1, MAX_GENERAL,
      select_read, intel_select_write },
    { ALWAYS, MSR_IA32_MISC_ENABLE, 1, 1, intel_misc_enable_read },
    { WITH_FIXED, MSR_CORE_PERF_FIXED_CTR0, 1, MAX_FIXED,
      intel_fixed_read, intel_fixed_write },
    { WITH_METRICS, 0x329, 1, 1, intel_metrics_read, intel_metrics_write },
    { ALWAYS, MSR_IA32_PERF_CAPABILITIES, 1, 1,
      intel_capabilities_read, value_refused },
    { ALWAYS, MSR_CORE_PERF_FIXED_CTR_CTRL, 1, 1,
      intel_fixed_ctrl_read, intel_fixed_ctrl_write },
    { ALWAYS, MSR_CORE_PERF_GLOBAL_STATUS, 1, 1,
      intel_global_status_read, value_refused },
    { ALWAYS, MSR_CORE_PERF_GLOBAL_CTRL, 1, 1,
      intel_global_ctrl_read, intel_global_ctrl_write },
    { ALWAYS, MSR_CORE_PERF_GLOBAL_OVF_CTRL, 1, 1,
      intel_ovf_ctrl_read, intel_ovf_ctrl_write },
    { WITH_FULL_WIDTH, 0x4c1, 1, MAX_GENERAL, counter_read, intel_full_write },
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

static bool register_exists(const X86PMU *pmu, const PMURegister *reg,
                            unsigned index)
{
    switch (reg->presence) {
    case WITH_GENERAL:
        return counter_exists(pmu, index);
    case WITH_FIXED:
        return counter_exists(pmu, MAX_GENERAL + index);
    case WITH_FULL_WIDTH:
        return pmu->cpu->pmu_shape.full_width && counter_exists(pmu, index);
    case WITH_METRICS:
        return pmu->cpu->pmu_shape.metrics;
    default:
        return true;
    }
}

static G_NORETURN void refuse(CPUX86State *env, uintptr_t ra)
{
    raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
}

bool x86_pmu_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *value,
                   uintptr_t ra)
{
    X86PMU *pmu = env_pmu(env);
    unsigned index;
    const PMURegister *reg = pmu_find(pmu, msr, &index);

    if (!reg) {
        return false;
    }
    if (!register_exists(pmu, reg, index)) {
        refuse(env, ra);
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
    if (!register_exists(pmu, reg, index) || !reg->write(pmu, index, value)) {
        refuse(env, ra);
    }
    pmu_decode(pmu);
    pmu_cut_budget(pmu);
    return true;
}

bool x86_pmu_rdpmc(CPUX86State *env, uint32_t index, uint64_t *value)
{
    X86PMU *pmu = env_pmu(env);
    bool fixed = index & RDPMC_FIXED;
    unsigned most = fixed ? MAX_FIXED : MAX_GENERAL;

    index &= ~RDPMC_FIXED;
    if (index >= most) {
        return false;
    }
    index += fixed ? MAX_GENERAL : 0;
    if (!counter_exists(pmu, index)) {
        return false;
    }
    pmu_account(pmu);
    *value = counter_read(pmu, index);
    return true;
}

/* SDM volume 2A, CPUID: EDX has the fixed counters from the first on. */
void x86_pmu_cpuid(X86CPU *cpu, uint32_t *eax, uint32_t *ebx,
                   uint32_t *ecx, uint32_t *edx)
{
    const struct X86PMUShape *shape = &cpu->pmu_shape;
    const X86PMU *pmu = cpu->pmu;

    *eax = *ebx = *ecx = *edx = 0;
    if (!pmu->vendor || !pmu->vendor->arch_leaf) {
        return;
    }
    *eax = shape->version | pmu->general << 8 | COUNTER_BITS << 16 |
           shape->events << 24;
    *edx = shape->fixed | COUNTER_BITS << 5;
    if (shape->version >= 5) {
        *ecx = pmu->fixed;
        *edx |= INTEL_NO_ANYTHREAD;
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
        sum->events[COUNT_INSNS][mode] += now->events[COUNT_INSNS][mode] -
                                          then->events[COUNT_INSNS][mode];
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
    static const char *const name[SOURCES] = {
        [COUNT_INSNS] = "instr", [COUNT_BRANCHES] = "branches",
        [COUNT_MISPREDICTED] = "branch_misses",
        [COUNT_CACHE_REFS] = "cache_refs",
        [COUNT_CACHE_MISSES] = "cache_misses",
    };
    LogLine line = { log, cpu };
    int op, i;

    for (i = 0; i < SOURCES; i++) {
        if (name[i]) {
            fprintf(log, "cpu %d %s_usr %" PRIu64 " %s_os %" PRIu64 "\n", cpu,
                    name[i], acct->total.events[i][MODE_USR],
                    name[i], acct->total.events[i][MODE_OS]);
        }
    }
    g_tree_foreach(acct->traps, log_trap, &line);
    for (op = 0; op < XENPMU_OPS; op++) {
        if (acct->xenpmu[op]) {
            fprintf(log, "cpu %d hypercall xenpmu %d %" PRIu64 "\n", cpu, op,
                    acct->xenpmu[op]);
        }
    }
    fprintf(log, "cpu %d pmi count %" PRIu64 " usr %" PRIu64 " os %" PRIu64
            " traps %" PRIu64 " hypercalls %" PRIu64 "\n", cpu,
            acct->pmis_closed, acct->in_pmi.events[COUNT_INSNS][MODE_USR],
            acct->in_pmi.events[COUNT_INSNS][MODE_OS], acct->in_pmi.traps,
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

static const PMUVendor *vendor_find(const X86CPU *cpu)
{
    const CPUX86State *env = &cpu->env;
    int family = cpuid_family(env);
    int i;

    for (i = 0; i < ARRAY_SIZE(pmu_vendors); i++) {
        const PMUVendor *vendor = &pmu_vendors[i];

        if (vendor->cpuid_vendor1 == env->cpuid_vendor1 &&
            vendor->min_family <= family && family <= vendor->max_family) {
            return vendor->general || cpu->pmu_shape.version ? vendor : NULL;
        }
    }
    return NULL;
}

void x86_pmu_realize(X86CPU *cpu)
{
    X86PMU *pmu = g_new0(X86PMU, 1);

    pmu->cpu = cpu;
    pmu->vendor = vendor_find(cpu);
    pmu->acct.traps = g_tree_new_full(trap_order, NULL, g_free, g_free);
    cpu->pmu = pmu;
    if (pmu->vendor && pmu->vendor->general) {
        pmu->general = pmu->vendor->general;
    } else if (pmu->vendor) {
        pmu->general = MIN(cpu->pmu_shape.general, MAX_GENERAL);
        pmu->fixed = (1U << MIN(cpu->pmu_shape.fixed, MAX_FIXED)) - 1;
        pmu->fixed |= cpu->pmu_shape.fixed_map;
    }
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
    pmu->global_ctrl = (1ULL << pmu->general) - 1;
    pmu->pmi_pending = false;
    pmu->mode = MODE_OS;
}
