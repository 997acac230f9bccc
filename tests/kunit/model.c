// SPDX-License-Identifier: GPL-2.0
/*
 * A model of Xen's virtual PMU, as a PV guest sees it.
 *
 * Bottom up: the registers of the hardware, how Xen touches them, the two vendors' contexts, the
 * vPMU that they share, the hypercall, traps, the interrupt and the scheduler.
 */

#include <linux/array_size.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include <asm/xen/interface.h>
#include <kunit/test.h>

#include "model.h"

#define COUNTER_MASK		GENMASK_ULL(47, 0)
#define CTRL_RSVD_LOW		(BIT_ULL(21) | BIT_ULL(19))
#define AMD_CTRL_RSVD		(GENMASK_ULL(63, 42) | GENMASK_ULL(39, 36) | CTRL_RSVD_LOW)
#define INTEL_CTRL_RSVD		(GENMASK_ULL(63, 32) | CTRL_RSVD_LOW)
#define NR_CORE_COUNTERS	6
#define NR_K7_COUNTERS		4
#define LVTPC_VECTOR		0xf9
#define DOM0_ID			0
#define DOMU_ID			1

/* Event selects, the same for both vendors */
#define SEL_USR			BIT_ULL(16)
#define SEL_OS			BIT_ULL(17)
#define SEL_INT			BIT_ULL(20)
#define SEL_EN			BIT_ULL(22)
#define SEL_AMD_GUEST		BIT_ULL(40)
#define SEL_AMD_HOST		BIT_ULL(41)

/* The four bits of a counter in FIXED_CTR_CTRL */
#define FIXED_OS		BIT_ULL(0)
#define FIXED_USR		BIT_ULL(1)
#define FIXED_ANY		BIT_ULL(2)
#define FIXED_PMI		BIT_ULL(3)

enum reg {
	REG_COUNTER,
	REG_WIDE,		/* the same counter, written at full width */
	REG_CONTROL,
	REG_FIXED,
	REG_FIXED_CTRL,
	REG_GLOBAL_CTRL,
	REG_GLOBAL_STATUS,
	REG_GLOBAL_OVF,
	REG_DS_AREA,
	REG_ABSENT,		/* a PMU register that the model's hardware does without */
};

/**
 * struct bank - registers of one kind at regular addresses
 * @reg: their kind
 * @first: address of the first one
 * @stride: distance between two
 * @span: how many addresses there are, implemented or not
 * @routed: how many of them a PV guest's access takes to the vPMU; at the others Xen raises #GP
 * @core: AMD: only with six counters
 */
struct bank {
	enum reg reg;
	u32 first;
	unsigned int stride;
	unsigned int span;
	unsigned int routed;
	bool core;
};

/**
 * struct reg_ref - a register
 * @bank: where it was found, NULL if it is no PMU register
 * @idx: its number there
 */
struct reg_ref {
	const struct bank *bank;
	unsigned int idx;
};

enum tally { CYCLES, INSTRUCTIONS, NR_TALLIES };

struct event {
	u64 select;
	enum tally tally;
};

/**
 * struct model_vendor_ops - what differs between vendors
 * @banks: registers, ended by a span of 0
 * @events: what the counters can count, ended by a select of 0
 * @event_mask: bits of a control that select the event
 * @masks_on_pmi: hardware masks LVTPC when it raises the interrupt
 * @probe: at Xen's boot: whether Xen knows the CPU
 * @initialise: prepare private context and page, or a negative error
 * @read: a trapped read that reached the vPMU
 * @write: a trapped write that reached the vPMU
 * @save: stop the counters and save them if the flags ask for it, true if that was done
 * @load: load private context, which @from_guest is the page's after verification
 * @hw_store: write a register that accepts the value
 * @hw_counts: general counter @i counts in this mode
 * @hw_overflow: general counter @i wrapped, true to raise an interrupt
 */
struct model_vendor_ops {
	const struct bank *banks;
	const struct event *events;
	u64 event_mask;
	bool masks_on_pmi;
	bool (*probe)(struct xen_model *m);
	int (*initialise)(struct model_vcpu *v);
	int (*read)(struct model_vcpu *v, u32 msr, u64 *val);
	int (*write)(struct model_vcpu *v, u32 msr, u64 val);
	bool (*save)(struct model_vcpu *v, struct model_hw *hw, bool to_guest);
	int (*load)(struct model_vcpu *v, struct model_hw *hw, bool from_guest);
	void (*hw_store)(struct xen_model *m, u64 *reg, enum reg kind, u64 val);
	bool (*hw_counts)(const struct model_hw *hw, unsigned int i, bool in_xen);
	bool (*hw_overflow)(struct model_hw *hw, unsigned int i);
};

/* Hardware */

static struct reg_ref find_reg(const struct xen_model *m, u32 msr)
{
	const struct bank *b;

	for (b = m->ops->banks; b->span; b++) {
		u32 off = msr - b->first;

		if (msr >= b->first && !(off % b->stride) && off / b->stride < b->span)
			return (struct reg_ref){ .bank = b, .idx = off / b->stride };
	}
	return (struct reg_ref){};
}

static bool hw_implements(const struct xen_model *m, struct reg_ref ref)
{
	if (!ref.bank || (ref.bank->core && !m->core))
		return false;

	switch (ref.bank->reg) {
	case REG_COUNTER:
	case REG_CONTROL:
		return ref.idx < m->nr_general;
	case REG_WIDE:
		return ref.idx < m->nr_general && m->cfg.full_width;
	case REG_FIXED:
		return ref.idx < m->cfg.nr_fixed;
	case REG_ABSENT:
		return false;
	default:
		return true;
	}
}

static u64 *hw_reg(struct model_hw *hw, struct reg_ref ref)
{
	switch (ref.bank->reg) {
	case REG_CONTROL:
		return &hw->control[ref.idx];
	case REG_FIXED:
		return &hw->fixed[ref.idx];
	case REG_FIXED_CTRL:
		return &hw->fixed_ctrl;
	case REG_GLOBAL_CTRL:
		return &hw->global_ctrl;
	case REG_GLOBAL_STATUS:
	case REG_GLOBAL_OVF:
		return &hw->global_status;
	case REG_DS_AREA:
		return &hw->ds_area;
	default:
		return &hw->counter[ref.idx];
	}
}

static u64 global_mask(const struct xen_model *m)
{
	return (BIT_ULL(m->cfg.nr_fixed) - 1) << 32 | (BIT_ULL(m->nr_general) - 1);
}

/* Bits 62 and 63, from version 3 on also the uncore's bit 61 */
static u64 global_ovf_mask(const struct xen_model *m)
{
	return global_mask(m) | GENMASK_ULL(63, m->cfg.version > 2 ? 61 : 62);
}

static u64 fixed_ctrl_mask(const struct xen_model *m)
{
	return BIT_ULL(4 * m->cfg.nr_fixed) - 1;
}

/* Bits that make hardware answer #GP, only asked for registers it implements */
static u64 hw_refuses(const struct xen_model *m, enum reg reg)
{
	switch (reg) {
	case REG_CONTROL:
		if (m->cfg.vendor == MODEL_AMD)
			return AMD_CTRL_RSVD & ~m->cfg.ctrl_boot;
		return GENMASK_ULL(63, 32);
	case REG_WIDE:
	case REG_FIXED:
		return ~COUNTER_MASK;
	case REG_FIXED_CTRL:
		return ~fixed_ctrl_mask(m);
	case REG_GLOBAL_CTRL:
		return ~global_mask(m);
	case REG_GLOBAL_OVF:
		return ~global_ovf_mask(m);
	default:
		return 0;
	}
}

/* What of a register's value hardware does not keep */
static u64 hw_forgets(const struct xen_model *m, struct reg_ref ref)
{
	u64 bits = 0;
	unsigned int i;

	switch (ref.bank->reg) {
	case REG_COUNTER:
	case REG_WIDE:
		return m->cfg.dead & BIT_ULL(ref.idx) ? ~0ULL : 0;
	case REG_FIXED:
		return m->cfg.dead & BIT_ULL(32 + ref.idx) ? ~0ULL : 0;
	case REG_CONTROL:
		return m->cfg.dead_controls & BIT_ULL(ref.idx) ? ~0ULL : 0;
	case REG_FIXED_CTRL:
		for (i = 0; i < m->cfg.nr_fixed; i++)
			if (m->cfg.dead_controls & BIT_ULL(32 + i))
				bits |= 0xfULL << (4 * i);
		return bits;
	default:
		return 0;
	}
}

static int hw_rdmsr(struct xen_model *m, struct model_hw *hw, u32 msr, u64 *val)
{
	struct reg_ref ref = find_reg(m, msr);

	if (!hw_implements(m, ref))
		return -EIO;
	*val = *hw_reg(hw, ref);
	return 0;
}

static int hw_wrmsr(struct xen_model *m, struct model_hw *hw, u32 msr, u64 val)
{
	struct reg_ref ref = find_reg(m, msr);

	if (!hw_implements(m, ref) || ref.bank->reg == REG_GLOBAL_STATUS ||
	    (val & hw_refuses(m, ref.bank->reg)))
		return -EIO;
	m->ops->hw_store(m, hw_reg(hw, ref), ref.bank->reg, val & ~hw_forgets(m, ref));
	return 0;
}

/* Xen's own accesses have no fixup: what hardware refuses ends the machine */

static u64 xen_rdmsr(struct xen_model *m, struct model_hw *hw, u32 msr)
{
	u64 val = 0;

	if (hw_rdmsr(m, hw, msr, &val)) {
		m->hw_violation++;
		m->hw_violation_msr = msr;
	}
	return val;
}

static void xen_wrmsr(struct xen_model *m, struct model_hw *hw, u32 msr, u64 val)
{
	if (hw_wrmsr(m, hw, msr, val)) {
		m->hw_violation++;
		m->hw_violation_msr = msr;
	}
}

static struct model_vcpu *vcpu_of(struct xen_model *m, unsigned int vcpu)
{
	KUNIT_ASSERT_LT(m->test, vcpu, m->cfg.nr_vcpus);
	return &m->vcpus[vcpu];
}

/* Only a vCPU that runs can trap, call or retire */
static void assert_runs(struct model_vcpu *v)
{
	KUNIT_ASSERT_GE_MSG(v->m->test, v->pcpu, 0, "vCPU %u does not run", v->id);
}

static struct model_hw *hw_of(struct model_vcpu *v)
{
	assert_runs(v);
	return &v->m->hw[v->pcpu];
}

/* AMD */

static const struct bank amd_banks[] = {
	{ REG_CONTROL, MSR_K7_EVNTSEL0,   1, NR_K7_COUNTERS,   NR_K7_COUNTERS },
	{ REG_COUNTER, MSR_K7_PERFCTR0,   1, NR_K7_COUNTERS,   NR_K7_COUNTERS },
	{ REG_CONTROL, MSR_F15H_PERF_CTL, 2, NR_CORE_COUNTERS, NR_CORE_COUNTERS, .core = true },
	{ REG_COUNTER, MSR_F15H_PERF_CTR, 2, NR_CORE_COUNTERS, NR_CORE_COUNTERS, .core = true },
	{ REG_ABSENT,  MSR_AMD64_PERF_CNTR_GLOBAL_STATUS, 1, 4, 0 },
	{}
};

static const struct event amd_events[] = {
	{ 0x76, CYCLES },
	{ 0xc0, INSTRUCTIONS },
	{}
};

static bool amd_probe(struct xen_model *m)
{
	switch (m->cfg.family) {
	case 0x10:
	case 0x12:
	case 0x14:
	case 0x16:
		m->nr_general = NR_K7_COUNTERS;
		return true;
	case 0x15:
	case 0x17:
	case 0x18:
	case 0x19:
	case 0x1a:
		m->nr_general = NR_CORE_COUNTERS;
		m->core = true;
		return true;
	default:
		return false;
	}
}

/* The reserved bits read as they did at boot, whatever was written */
static void amd_hw_store(struct xen_model *m, u64 *reg, enum reg kind, u64 val)
{
	if (kind == REG_CONTROL)
		*reg = (val & ~AMD_CTRL_RSVD) | (m->cfg.ctrl_boot & AMD_CTRL_RSVD);
	else
		*reg = val & COUNTER_MASK;
}

static bool select_counts(u64 control, bool in_xen)
{
	return (control & SEL_EN) && (control & (in_xen ? SEL_OS : SEL_USR));
}

/* Neither Xen nor a PV guest is a guest in the sense of bits 40 and 41 */
static bool amd_hw_counts(const struct model_hw *hw, unsigned int i, bool in_xen)
{
	u64 control = hw->control[i];

	return select_counts(control, in_xen) &&
	       (control & (SEL_AMD_GUEST | SEL_AMD_HOST)) != SEL_AMD_GUEST;
}

static bool amd_hw_overflow(struct model_hw *hw, unsigned int i)
{
	return hw->control[i] & SEL_INT;
}

static u32 amd_control_msr(const struct xen_model *m, unsigned int i)
{
	return m->core ? MSR_F15H_PERF_CTL + 2 * i : MSR_K7_EVNTSEL0 + i;
}

static u32 amd_counter_msr(const struct xen_model *m, unsigned int i)
{
	return m->core ? MSR_F15H_PERF_CTR + 2 * i : MSR_K7_PERFCTR0 + i;
}

/* What the reserved bits of control @i have to be: Xen looked only at the counters it uses */
static u64 amd_rsvd(const struct xen_model *m, unsigned int i)
{
	return i < m->nr_general ? m->cfg.ctrl_boot & AMD_CTRL_RSVD : 0;
}

static void amd_reset_context(struct model_vcpu *v)
{
	unsigned int i;

	memset(&v->ctx, 0, sizeof(v->ctx));
	for (i = 0; i < v->m->nr_general; i++)
		v->ctx.control[i] = amd_rsvd(v->m, i);
}

static int amd_initialise(struct model_vcpu *v)
{
	struct xen_pmu_amd_ctxt *page = &v->page->pmu.c.amd;

	amd_reset_context(v);
	page->counters = sizeof(*page);
	page->ctrls = page->counters + v->m->nr_general * sizeof(u64);
	v->flags |= MODEL_CONTEXT_ALLOCATED;
	return 0;
}

static void amd_load_controls(struct model_vcpu *v, struct model_hw *hw)
{
	unsigned int i;

	for (i = 0; i < v->m->nr_general; i++)
		xen_wrmsr(v->m, hw, amd_control_msr(v->m, i), v->ctx.control[i]);
}

static void amd_load_context(struct model_vcpu *v, struct model_hw *hw)
{
	unsigned int i;

	for (i = 0; i < v->m->nr_general; i++) {
		xen_wrmsr(v->m, hw, amd_counter_msr(v->m, i), v->ctx.counter[i]);
		xen_wrmsr(v->m, hw, amd_control_msr(v->m, i), v->ctx.control[i]);
	}
}

/* The page's offsets are for the guest: Xen knows where the banks are */
static void amd_fetch(struct model_vcpu *v)
{
	const struct xen_pmu_amd_ctxt *page = &v->page->pmu.c.amd;
	unsigned int n = v->m->nr_general;

	memcpy(v->ctx.counter, page->regs, n * sizeof(u64));
	memcpy(v->ctx.control, page->regs + n, n * sizeof(u64));
}

static void amd_publish(struct model_vcpu *v)
{
	struct xen_pmu_amd_ctxt *page = &v->page->pmu.c.amd;
	unsigned int n = v->m->nr_general;

	memcpy(page->regs, v->ctx.counter, n * sizeof(u64));
	memcpy(page->regs + n, v->ctx.control, n * sizeof(u64));
}

/* A context that fails keeps RUNNING as it was */
static int amd_verify(struct model_vcpu *v)
{
	bool running = false;
	unsigned int i;

	for (i = 0; i < v->m->nr_general; i++) {
		u64 control = v->ctx.control[i];

		if ((control & AMD_CTRL_RSVD) != amd_rsvd(v->m, i)) {
			amd_reset_context(v);
			return -EINVAL;
		}
		running |= control & SEL_EN;
	}

	v->flags &= ~MODEL_RUNNING;
	if (running)
		v->flags |= MODEL_RUNNING;
	return 0;
}

static int amd_load(struct model_vcpu *v, struct model_hw *hw, bool from_guest)
{
	v->flags &= ~MODEL_FROZEN;

	if (!from_guest && (v->flags & MODEL_CONTEXT_LOADED)) {
		amd_load_controls(v, hw);
		return 0;
	}

	if (from_guest) {
		int err;

		amd_fetch(v);
		err = amd_verify(v);
		if (err)
			return err;
	}

	v->flags |= MODEL_CONTEXT_LOADED;
	amd_load_context(v, hw);
	return 0;
}

static bool amd_save(struct model_vcpu *v, struct model_hw *hw, bool to_guest)
{
	unsigned int i;

	for (i = 0; i < v->m->nr_general; i++)
		xen_wrmsr(v->m, hw, amd_control_msr(v->m, i), 0);

	if (!(v->flags & MODEL_CONTEXT_SAVE)) {
		v->flags |= MODEL_FROZEN;
		return false;
	}

	if (!(v->flags & MODEL_CONTEXT_LOADED))
		return false;

	/* Private controls are up to date: every write went through there */
	for (i = 0; i < v->m->nr_general; i++)
		v->ctx.counter[i] = xen_rdmsr(v->m, hw, amd_counter_msr(v->m, i));

	if (to_guest)
		amd_publish(v);
	return true;
}

static void amd_lazy_load(struct model_vcpu *v)
{
	if ((v->flags & MODEL_CONTEXT_LOADED) && !(v->flags & MODEL_FROZEN))
		return;

	amd_load_context(v, hw_of(v));
	v->flags |= MODEL_CONTEXT_LOADED;
	v->flags &= ~MODEL_FROZEN;
}

/* With four counters Xen finds no place for the addresses of six, and hardware no register */
static u64 *amd_context_reg(struct model_vcpu *v, struct reg_ref ref)
{
	if (!hw_implements(v->m, ref))
		return NULL;
	return ref.bank->reg == REG_CONTROL ? &v->ctx.control[ref.idx] : &v->ctx.counter[ref.idx];
}

static void midway(struct model_vcpu *v)
{
	if (v->m->midway)
		v->m->midway(v->m);
}

static int amd_wrmsr(struct model_vcpu *v, u32 msr, u64 val)
{
	struct reg_ref ref = find_reg(v->m, msr);
	u64 *reg;

	if (ref.bank->reg == REG_CONTROL) {
		if ((val & AMD_CTRL_RSVD) != amd_rsvd(v->m, ref.idx))
			return -EINVAL;

		/* The last control written decides for all of them */
		if (val & SEL_EN)
			v->flags |= MODEL_RUNNING;
		else
			v->flags &= ~MODEL_RUNNING;
	}

	amd_lazy_load(v);
	midway(v);

	reg = amd_context_reg(v, ref);
	if (reg)
		*reg = val;
	xen_wrmsr(v->m, hw_of(v), msr, val);
	return 0;
}

static int amd_rdmsr(struct model_vcpu *v, u32 msr, u64 *val)
{
	amd_lazy_load(v);
	midway(v);
	*val = xen_rdmsr(v->m, hw_of(v), msr);
	return 0;
}

static const struct model_vendor_ops amd_ops = {
	.banks		= amd_banks,
	.events		= amd_events,
	.event_mask	= GENMASK_ULL(35, 32) | GENMASK_ULL(7, 0),
	.probe		= amd_probe,
	.initialise	= amd_initialise,
	.read		= amd_rdmsr,
	.write		= amd_wrmsr,
	.save		= amd_save,
	.load		= amd_load,
	.hw_store	= amd_hw_store,
	.hw_counts	= amd_hw_counts,
	.hw_overflow	= amd_hw_overflow,
};

/* Intel */

static const struct bank intel_banks[] = {
	{ REG_COUNTER,       MSR_IA32_PERFCTR0,             1, MODEL_MAX_GENERAL, 8 },
	{ REG_WIDE,          MSR_IA32_PMC0,                 1, MODEL_MAX_GENERAL, 0 },
	{ REG_CONTROL,       MSR_P6_EVNTSEL0,               1, MODEL_MAX_GENERAL, 8 },
	{ REG_FIXED,         MSR_CORE_PERF_FIXED_CTR0,      1, MODEL_MAX_FIXED, 3 },
	{ REG_FIXED_CTRL,    MSR_CORE_PERF_FIXED_CTR_CTRL,  1, 1, 1 },
	{ REG_GLOBAL_STATUS, MSR_CORE_PERF_GLOBAL_STATUS,   1, 1, 1 },
	{ REG_GLOBAL_CTRL,   MSR_CORE_PERF_GLOBAL_CTRL,     1, 1, 1 },
	{ REG_GLOBAL_OVF,    MSR_CORE_PERF_GLOBAL_OVF_CTRL, 1, 1, 1 },
	{ REG_ABSENT,        MSR_IA32_PEBS_ENABLE,          1, 1, 0 },
	{ REG_DS_AREA,       MSR_IA32_DS_AREA,              1, 1, 0 },
	{}
};

static const struct event intel_events[] = {
	{ 0x003c, CYCLES },
	{ 0x013c, CYCLES },
	{ 0x00c0, INSTRUCTIONS },
	{}
};

static bool intel_probe(struct xen_model *m)
{
	m->nr_general = m->cfg.nr_general;
	return m->cfg.family == 6 && m->cfg.version >= 2 && m->cfg.version <= 5;
}

/* A counter's legacy address takes 32 bits and extends their sign */
static void intel_hw_store(struct xen_model *m, u64 *reg, enum reg kind, u64 val)
{
	if (kind == REG_COUNTER)
		*reg = (u64)(s64)(s32)val & COUNTER_MASK;
	else if (kind == REG_GLOBAL_OVF)
		*reg &= ~val;
	else
		*reg = val;
}

static bool intel_hw_counts(const struct model_hw *hw, unsigned int i, bool in_xen)
{
	return (hw->global_ctrl & BIT_ULL(i)) && select_counts(hw->control[i], in_xen);
}

static bool intel_hw_overflow(struct model_hw *hw, unsigned int i)
{
	hw->global_status |= BIT_ULL(i);
	return hw->control[i] & SEL_INT;
}

static int intel_initialise(struct model_vcpu *v)
{
	struct xen_pmu_intel_ctxt *page = &v->page->pmu.c.intel;
	struct xen_model *m = v->m;

	if (!(m->nr_general + m->cfg.nr_fixed))
		return -EINVAL;

	if (m->features & XENPMU_FEATURE_INTEL_BTS)
		v->flags |= MODEL_HAS_DS;

	memset(&v->ctx, 0, sizeof(v->ctx));
	page->fixed_counters = sizeof(*page);
	page->arch_counters = page->fixed_counters + m->cfg.nr_fixed * sizeof(u64);
	v->flags |= MODEL_CONTEXT_ALLOCATED;
	return 0;
}

/* Overflow bits are cleared by the first load that finds them set, not by the next ones */
static void intel_load_context(struct model_vcpu *v, struct model_hw *hw)
{
	struct xen_model *m = v->m;
	u32 counters = m->cfg.full_width ? MSR_IA32_PMC0 : MSR_IA32_PERFCTR0;
	unsigned int i;

	for (i = 0; i < m->cfg.nr_fixed; i++)
		xen_wrmsr(m, hw, MSR_CORE_PERF_FIXED_CTR0 + i, v->ctx.fixed[i]);
	for (i = 0; i < m->nr_general; i++) {
		xen_wrmsr(m, hw, counters + i, v->ctx.counter[i]);
		xen_wrmsr(m, hw, MSR_P6_EVNTSEL0 + i, v->ctx.control[i]);
	}
	xen_wrmsr(m, hw, MSR_CORE_PERF_FIXED_CTR_CTRL, v->ctx.fixed_ctrl);
	if (v->flags & MODEL_HAS_DS)
		xen_wrmsr(m, hw, MSR_IA32_DS_AREA, v->ctx.ds_area);
	xen_wrmsr(m, hw, MSR_CORE_PERF_GLOBAL_OVF_CTRL, v->ctx.global_ovf_ctrl);
	v->ctx.global_ovf_ctrl = 0;
	xen_wrmsr(m, hw, MSR_CORE_PERF_GLOBAL_CTRL, v->ctx.global_ctrl);
}

static void intel_fetch(struct model_vcpu *v)
{
	const struct xen_pmu_intel_ctxt *page = &v->page->pmu.c.intel;
	const u64 *fixed = page->regs;
	const struct xen_pmu_cntr_pair *pair = (const void *)(fixed + v->m->cfg.nr_fixed);
	struct model_context *ctx = &v->ctx;
	unsigned int i;

	ctx->global_ctrl = page->global_ctrl;
	ctx->global_ovf_ctrl = page->global_ovf_ctrl;
	ctx->global_status = page->global_status;
	ctx->fixed_ctrl = page->fixed_ctrl;
	ctx->ds_area = page->ds_area;
	ctx->pebs_enable = page->pebs_enable;
	ctx->debugctl = page->debugctl;
	memcpy(ctx->fixed, fixed, v->m->cfg.nr_fixed * sizeof(u64));
	for (i = 0; i < v->m->nr_general; i++) {
		ctx->counter[i] = pair[i].counter;
		ctx->control[i] = pair[i].control;
	}
}

static void intel_publish(struct model_vcpu *v)
{
	struct xen_pmu_intel_ctxt *page = &v->page->pmu.c.intel;
	u64 *fixed = page->regs;
	struct xen_pmu_cntr_pair *pair = (void *)(fixed + v->m->cfg.nr_fixed);
	const struct model_context *ctx = &v->ctx;
	unsigned int i;

	page->global_ctrl = ctx->global_ctrl;
	page->global_ovf_ctrl = ctx->global_ovf_ctrl;
	page->global_status = ctx->global_status;
	page->fixed_ctrl = ctx->fixed_ctrl;
	page->ds_area = ctx->ds_area;
	page->pebs_enable = ctx->pebs_enable;
	page->debugctl = ctx->debugctl;
	memcpy(fixed, ctx->fixed, v->m->cfg.nr_fixed * sizeof(u64));
	for (i = 0; i < v->m->nr_general; i++) {
		pair[i].counter = ctx->counter[i];
		pair[i].control = ctx->control[i];
	}
}

static u64 fixed_enabled(const struct xen_model *m, u64 fixed_ctrl)
{
	u64 enabled = 0;
	unsigned int i;

	for (i = 0; i < m->cfg.nr_fixed; i++)
		if (fixed_ctrl >> (4 * i) & (FIXED_OS | FIXED_USR))
			enabled |= BIT_ULL(32 + i);
	return enabled;
}

/* What FIXED_CTR_CTRL may not have for Xen's taste: also any counter's AnyThread bit */
static u64 fixed_ctrl_refused(const struct xen_model *m)
{
	u64 refused = ~fixed_ctrl_mask(m);
	unsigned int i;

	for (i = 0; i < m->cfg.nr_fixed; i++)
		refused |= FIXED_ANY << (4 * i);
	return refused;
}

static void intel_update_running(struct model_vcpu *v)
{
	v->flags &= ~MODEL_RUNNING;
	if ((v->ctx.global_ctrl & v->ctx.enabled) || v->ctx.ds_area)
		v->flags |= MODEL_RUNNING;
}

/* General counters are not looked at: too wide a value meets hardware (see hw_violation) */
static int intel_verify(struct model_vcpu *v)
{
	const struct model_context *ctx = &v->ctx;
	struct xen_model *m = v->m;
	u64 enabled;
	unsigned int i;

	if ((ctx->global_ovf_ctrl & ~global_ovf_mask(m)) || (ctx->global_ctrl & ~global_mask(m)) ||
	    ctx->pebs_enable || (ctx->fixed_ctrl & fixed_ctrl_refused(m)))
		return -EINVAL;

	for (i = 0; i < m->cfg.nr_fixed; i++)
		if (ctx->fixed[i] & ~COUNTER_MASK)
			return -EINVAL;

	enabled = fixed_enabled(m, ctx->fixed_ctrl);
	for (i = 0; i < m->nr_general; i++) {
		if (ctx->control[i] & INTEL_CTRL_RSVD)
			return -EINVAL;
		if (ctx->control[i] & SEL_EN)
			enabled |= BIT_ULL(i);
	}

	/* A PV guest's pointer: the lower half, or above what Xen keeps for itself */
	if ((v->flags & MODEL_HAS_DS) && ctx->ds_area >= BIT_ULL(47) &&
	    ctx->ds_area < __HYPERVISOR_VIRT_END)
		return -EINVAL;

	v->ctx.enabled = enabled;
	intel_update_running(v);
	return 0;
}

/* A context that fails is forgotten, but not which counters were enabled, nor RUNNING */
static void intel_forget_context(struct model_vcpu *v)
{
	u64 enabled = v->ctx.enabled;

	memset(&v->ctx, 0, sizeof(v->ctx));
	v->ctx.enabled = enabled;
}

static int intel_load(struct model_vcpu *v, struct model_hw *hw, bool from_guest)
{
	if (v->flags & MODEL_CONTEXT_LOADED)
		return 0;

	if (from_guest) {
		int err;

		intel_fetch(v);
		err = intel_verify(v);
		if (err) {
			intel_forget_context(v);
			return err;
		}
	}

	v->flags |= MODEL_CONTEXT_LOADED;
	intel_load_context(v, hw);
	return 0;
}

static bool intel_save(struct model_vcpu *v, struct model_hw *hw, bool to_guest)
{
	const u32 needed = MODEL_CONTEXT_SAVE | MODEL_CONTEXT_LOADED;
	struct xen_model *m = v->m;
	unsigned int i;

	xen_wrmsr(m, hw, MSR_CORE_PERF_GLOBAL_CTRL, 0);

	if ((v->flags & needed) != needed)
		return false;

	for (i = 0; i < m->cfg.nr_fixed; i++)
		v->ctx.fixed[i] = xen_rdmsr(m, hw, MSR_CORE_PERF_FIXED_CTR0 + i);
	for (i = 0; i < m->nr_general; i++) {
		v->ctx.counter[i] = xen_rdmsr(m, hw, MSR_IA32_PERFCTR0 + i);
		v->ctx.control[i] = xen_rdmsr(m, hw, MSR_P6_EVNTSEL0 + i);
	}
	v->ctx.global_status = xen_rdmsr(m, hw, MSR_CORE_PERF_GLOBAL_STATUS);

	if (to_guest)
		intel_publish(v);
	return true;
}

/* False for a register that the CPU does not have */
static bool intel_prepare(struct model_vcpu *v, u32 msr)
{
	if (!hw_implements(v->m, find_reg(v->m, msr)))
		return false;

	if (!(v->flags & MODEL_CONTEXT_LOADED)) {
		intel_load_context(v, hw_of(v));
		v->flags |= MODEL_CONTEXT_LOADED;
	}
	midway(v);
	return true;
}

/* The filters of vpmu=ipc and vpmu=arch look at event and unit mask; arch wins over ipc */
static bool intel_event_blocked(const struct xen_model *m, u64 control)
{
	static const u16 ipc[] = { 0x003c, 0x013c, 0x00c0 };
	static const u16 arch[] = { 0x4f2e, 0x412e, 0x00c4, 0x00c5 };
	unsigned int i;

	if (!(m->features & (MODEL_FEATURE_IPC_ONLY | MODEL_FEATURE_ARCH_ONLY)))
		return false;

	for (i = 0; i < ARRAY_SIZE(ipc); i++)
		if ((u16)control == ipc[i])
			return false;
	for (i = 0; i < ARRAY_SIZE(arch); i++)
		if ((m->features & MODEL_FEATURE_ARCH_ONLY) && (u16)control == arch[i])
			return false;
	return true;
}

static int intel_write_control(struct model_vcpu *v, unsigned int i, u64 val)
{
	if ((val & INTEL_CTRL_RSVD) || intel_event_blocked(v->m, val))
		return -EINVAL;

	v->ctx.global_ctrl = xen_rdmsr(v->m, hw_of(v), MSR_CORE_PERF_GLOBAL_CTRL);
	v->ctx.enabled &= ~BIT_ULL(i);
	if (val & SEL_EN)
		v->ctx.enabled |= BIT_ULL(i);
	v->ctx.control[i] = val;
	return 0;
}

static int intel_write_fixed_ctrl(struct model_vcpu *v, u64 val)
{
	if (val & fixed_ctrl_refused(v->m))
		return -EINVAL;

	v->ctx.global_ctrl = xen_rdmsr(v->m, hw_of(v), MSR_CORE_PERF_GLOBAL_CTRL);
	v->ctx.enabled &= GENMASK_ULL(31, 0);
	v->ctx.enabled |= fixed_enabled(v->m, val);
	v->ctx.fixed_ctrl = val;
	return 0;
}

static int intel_write_global_ctrl(struct model_vcpu *v, u64 val)
{
	if (val & ~global_mask(v->m))
		return -EINVAL;

	v->ctx.global_ctrl = val;
	return 0;
}

/* Counters go to hardware and reach private context at the next save */
static int intel_write_context(struct model_vcpu *v, struct reg_ref ref, u64 val)
{
	switch (ref.bank->reg) {
	case REG_CONTROL:
		return intel_write_control(v, ref.idx, val);
	case REG_FIXED:
		return val & ~COUNTER_MASK ? -EINVAL : 0;
	case REG_FIXED_CTRL:
		return intel_write_fixed_ctrl(v, val);
	case REG_GLOBAL_CTRL:
		return intel_write_global_ctrl(v, val);
	case REG_GLOBAL_STATUS:
		return -EINVAL;
	default:
		return 0;
	}
}

static int intel_clear_overflow(struct model_vcpu *v, u64 val)
{
	if (val & ~global_ovf_mask(v->m))
		return -EINVAL;

	v->ctx.global_status &= ~val;
	xen_wrmsr(v->m, hw_of(v), MSR_CORE_PERF_GLOBAL_OVF_CTRL, val);
	return 0;
}

static int intel_wrmsr(struct model_vcpu *v, u32 msr, u64 val)
{
	int err;

	if (!intel_prepare(v, msr))
		return -EINVAL;

	if (msr == MSR_CORE_PERF_GLOBAL_OVF_CTRL)
		return intel_clear_overflow(v, val);

	err = intel_write_context(v, find_reg(v->m, msr), val);
	if (err)
		return err;

	xen_wrmsr(v->m, hw_of(v), msr, val);
	intel_update_running(v);
	return 0;
}

/* Reading a register that is not there is no error, and the value is nobody's: 0 here */
static int intel_rdmsr(struct model_vcpu *v, u32 msr, u64 *val)
{
	if (!intel_prepare(v, msr))
		return 0;

	if (msr == MSR_CORE_PERF_GLOBAL_OVF_CTRL)
		*val = 0;
	else if (msr == MSR_CORE_PERF_GLOBAL_STATUS)
		*val = v->ctx.global_status;
	else
		*val = xen_rdmsr(v->m, hw_of(v), msr);
	return 0;
}

static const struct model_vendor_ops intel_ops = {
	.banks		= intel_banks,
	.events		= intel_events,
	.event_mask	= GENMASK_ULL(15, 0),
	.masks_on_pmi	= true,
	.probe		= intel_probe,
	.initialise	= intel_initialise,
	.read		= intel_rdmsr,
	.write		= intel_wrmsr,
	.save		= intel_save,
	.load		= intel_load,
	.hw_store	= intel_hw_store,
	.hw_counts	= intel_hw_counts,
	.hw_overflow	= intel_hw_overflow,
};

/* The vPMU itself */

/* dom0's vPMUs are not counted: they never keep a mode from changing */
static void get_vpmu(struct model_vcpu *v)
{
	struct xen_model *m = v->m;

	if (m->cfg.privileged) {
		if (m->mode != XENPMU_MODE_OFF)
			v->flags |= MODEL_AVAILABLE;
	} else if (m->mode & (XENPMU_MODE_SELF | XENPMU_MODE_HV)) {
		m->nr_guest_vpmus++;
		v->flags |= MODEL_AVAILABLE;
	}
}

static void put_vpmu(struct model_vcpu *v)
{
	struct xen_model *m = v->m;

	if (!(v->flags & MODEL_AVAILABLE))
		return;

	if (m->cfg.privileged) {
		if (m->mode != XENPMU_MODE_OFF)
			v->flags &= ~MODEL_AVAILABLE;
	} else if (m->mode & (XENPMU_MODE_SELF | XENPMU_MODE_HV)) {
		m->nr_guest_vpmus--;
		v->flags &= ~MODEL_AVAILABLE;
	}
}

static void vpmu_update_lvtpc(struct model_vcpu *v, u32 val)
{
	if (v->m->mode == XENPMU_MODE_OFF)
		return;

	v->lvtpc = LVTPC_VECTOR | (val & APIC_LVT_MASKED);
	if (!v->page || !(v->flags & MODEL_CACHED))
		hw_of(v)->lvtpc = v->lvtpc;
}

/* Without LOADED nothing happens, not even to LVTPC */
static void vpmu_save(struct model_vcpu *v, struct model_hw *hw)
{
	const u32 needed = MODEL_CONTEXT_ALLOCATED | MODEL_CONTEXT_LOADED;

	if ((v->flags & needed) != needed)
		return;

	v->last_pcpu = hw - v->m->hw;
	hw->last_vcpu = v->id;

	v->flags |= MODEL_CONTEXT_SAVE;
	if (v->m->ops->save(v, hw, false))
		v->flags &= ~MODEL_CONTEXT_LOADED;
	v->flags &= ~MODEL_CONTEXT_SAVE;

	hw->lvtpc = LVTPC_VECTOR | APIC_LVT_MASKED;
}

/* Without RUNNING the page is not even read, whatever the guest wrote there */
static int vpmu_load(struct model_vcpu *v, struct model_hw *hw, bool from_guest)
{
	int err;

	if (!(v->flags & MODEL_CONTEXT_ALLOCATED) || !(v->flags & MODEL_RUNNING) ||
	    (v->flags & MODEL_CACHED))
		return 0;

	hw->lvtpc = v->lvtpc;
	err = v->m->ops->load(v, hw, from_guest);
	if (err)
		hw->lvtpc = v->lvtpc | APIC_LVT_MASKED;
	return err;
}

static int vpmu_arch_initialise(struct model_vcpu *v)
{
	int err;

	if (!(v->flags & MODEL_AVAILABLE) || v->m->mode == XENPMU_MODE_OFF)
		return 0;

	err = v->m->init_without_layout ? -EINVAL : v->m->ops->initialise(v);
	if (err)
		return err;

	v->lvtpc = LVTPC_VECTOR | APIC_LVT_MASKED;
	v->flags |= MODEL_INITIALIZED;
	return 0;
}

/* A loaded context is saved, and its counters stopped, where it was saved the last time */
static void vpmu_arch_destroy(struct model_vcpu *v)
{
	struct model_hw *hw = &v->m->hw[v->last_pcpu];

	if (!(v->flags & MODEL_CONTEXT_ALLOCATED))
		return;

	if (hw->last_vcpu == v->id)
		hw->last_vcpu = MODEL_NOBODY;

	if (v->flags & MODEL_CONTEXT_LOADED) {
		v->flags |= MODEL_CONTEXT_SAVE;
		v->m->ops->save(v, hw, false);
		hw->last_vcpu = MODEL_NOBODY;
	}

	memset(&v->ctx, 0, sizeof(v->ctx));
	v->flags &= MODEL_AVAILABLE;
}

/* The hypercall */

static int op_mode_get(struct model_vcpu *v, struct xen_pmu_params *params)
{
	if (!params)
		return -EFAULT;

	*params = (struct xen_pmu_params){
		.version = { .maj = XENPMU_VER_MAJ, .min = XENPMU_VER_MIN },
		.val = v->m->mode,
	};
	return 0;
}

static int op_mode_set(struct model_vcpu *v, struct xen_pmu_params *params)
{
	const u64 free_change = XENPMU_MODE_SELF | XENPMU_MODE_HV;
	struct xen_model *m = v->m;
	u64 val = params->val;

	if ((val & ~(u64)(XENPMU_MODE_SELF | XENPMU_MODE_HV | XENPMU_MODE_ALL)) ||
	    hweight64(val) > 1)
		return -EINVAL;

	if (m->nr_guest_vpmus && (m->mode ^ val) != free_change && m->mode != val)
		return -EBUSY;

	m->mode = val;
	return 0;
}

static int op_feature_get(struct model_vcpu *v, struct xen_pmu_params *params)
{
	if (!params)
		return -EFAULT;

	params->val = v->m->features;
	return 0;
}

static int op_feature_set(struct model_vcpu *v, struct xen_pmu_params *params)
{
	const u64 known = XENPMU_FEATURE_INTEL_BTS | MODEL_FEATURE_IPC_ONLY |
			  MODEL_FEATURE_ARCH_ONLY;
	struct xen_model *m = v->m;

	if (params->val & ~known)
		return -EINVAL;

	if (m->nr_guest_vpmus && m->features != params->val)
		return -EBUSY;

	m->features = params->val;
	return 0;
}

/* Once the page is mapped the answer is 0, whether or not there is a vPMU behind it */
static int op_init(struct model_vcpu *v, struct xen_pmu_params *params)
{
	struct xen_model *m = v->m;
	struct xen_pmu_data *page;
	struct model_vcpu *target;

	if (params->vcpu >= m->cfg.nr_vcpus)
		return -EINVAL;

	target = &m->vcpus[params->vcpu];
	if (!(target->flags & MODEL_AVAILABLE))
		return -ENOENT;

	page = m->frame_to_page ? m->frame_to_page(m, params->val) : NULL;
	if (!page)
		return -EINVAL;

	if (target->page)
		return -EEXIST;

	if (m->no_memory)
		return -ENOMEM;

	target->page = page;
	if (vpmu_arch_initialise(target))
		put_vpmu(target);
	else if ((target->flags & MODEL_INITIALIZED) && m->layout)
		m->layout(m, target->id, page);
	return 0;
}

/* Another vCPU is paused, and thereby saved, while its vPMU goes away */
static int op_finish(struct model_vcpu *v, struct xen_pmu_params *params)
{
	struct xen_model *m = v->m;
	struct model_vcpu *target;
	int pcpu;

	if (params->vcpu >= m->cfg.nr_vcpus)
		return 0;

	target = &m->vcpus[params->vcpu];
	pcpu = target->pcpu;
	if (target == v)
		pcpu = MODEL_NOBODY;

	if (pcpu >= 0)
		model_schedule(m, pcpu, MODEL_NOBODY);
	vpmu_arch_destroy(target);
	target->page = NULL;
	if (pcpu >= 0)
		model_schedule(m, pcpu, target->id);
	return 0;
}

static int op_lvtpc_set(struct model_vcpu *v, struct xen_pmu_params *params)
{
	if (!v->page)
		return -EINVAL;

	vpmu_update_lvtpc(v, v->page->pmu.l.lapic_lvtpc);
	return 0;
}

static int op_flush(struct model_vcpu *v, struct xen_pmu_params *params)
{
	struct xen_pmu_arch *pmu;

	if (!v->page)
		return -EINVAL;

	pmu = &v->page->pmu;
	pmu->pmu_flags &= ~(u64)PMU_CACHED;
	v->flags &= ~MODEL_CACHED;
	vpmu_update_lvtpc(v, pmu->l.lapic_lvtpc);
	if (!vpmu_load(v, hw_of(v), true))
		return 0;

	pmu->pmu_flags |= PMU_CACHED;
	v->flags |= MODEL_CACHED;
	v->stats.flush_failed++;
	return -EIO;
}

/**
 * struct operation - one xenpmu operation
 * @call: does it
 * @reads_params: Xen copies the parameters first and checks their version
 * @any_domain: not only for dom0
 */
struct operation {
	int (*call)(struct model_vcpu *v, struct xen_pmu_params *params);
	bool reads_params;
	bool any_domain;
};

static const struct operation operations[MODEL_NR_OPS] = {
	[XENPMU_mode_get]	= { op_mode_get },
	[XENPMU_mode_set]	= { op_mode_set, .reads_params = true },
	[XENPMU_feature_get]	= { op_feature_get },
	[XENPMU_feature_set]	= { op_feature_set, .reads_params = true },
	[XENPMU_init]		= { op_init, .reads_params = true, .any_domain = true },
	[XENPMU_finish]		= { op_finish, .reads_params = true, .any_domain = true },
	[XENPMU_lvtpc_set]	= { op_lvtpc_set, .any_domain = true },
	[XENPMU_flush]		= { op_flush, .any_domain = true },
};

static int injected_fault(struct xen_model *m, unsigned int op)
{
	int err = m->fail_op[op];

	if (__test_and_clear_bit(op, &m->fail_once))
		m->fail_op[op] = 0;
	return err;
}

/**
 * model_hypercall - HYPERVISOR_xenpmu_op()
 * @m: the model
 * @vcpu: caller, has to run
 * @op: XENPMU_*
 * @params: its parameters, may be NULL
 *
 * Return: 0 or a negative error, as Xen answers; with a fault injected, that fault and no effect.
 */
int model_hypercall(struct xen_model *m, unsigned int vcpu, unsigned int op,
		    struct xen_pmu_params *params)
{
	static const struct operation unknown;
	const struct operation *o = op < MODEL_NR_OPS ? &operations[op] : &unknown;
	struct model_vcpu *v = vcpu_of(m, vcpu);

	assert_runs(v);
	if (op < MODEL_NR_OPS) {
		int err = injected_fault(m, op);

		v->stats.hypercalls[op]++;
		if (err)
			return err;
	} else {
		v->stats.unknown_ops++;
	}

	if (!m->enabled)
		return -EOPNOTSUPP;
	if (!o->any_domain && !m->cfg.privileged)
		return -EPERM;
	if (o->reads_params && !params)
		return -EFAULT;
	if (o->reads_params && params->version.maj != XENPMU_VER_MAJ)
		return -EINVAL;
	return o->call ? o->call(v, params) : -EINVAL;
}

/* Traps */

/* NULL: there are more registers than the statistics have room for */
static struct model_msr_count *count_trap(struct model_stats *stats, u32 msr, bool write)
{
	struct model_msr_count *c;
	unsigned int i;

	for (i = 0; i < stats->nr_msrs && stats->msrs[i].msr != msr; i++)
		;
	if (i == MODEL_MAX_MSRS)
		return NULL;

	c = &stats->msrs[i];
	if (i == stats->nr_msrs) {
		stats->nr_msrs++;
		c->msr = msr;
	}
	if (write)
		c->writes++;
	else
		c->reads++;
	return c;
}

/* While the context is cached in the page, whatever the access loaded is saved and unloaded */
static void vpmu_unload_cached(struct model_vcpu *v)
{
	if (!v->page || !(v->flags & MODEL_CACHED))
		return;

	if (v->flags & MODEL_CONTEXT_LOADED)
		v->stats.cached_reloads++;
	v->flags |= MODEL_CONTEXT_SAVE;
	v->m->ops->save(v, hw_of(v), false);
	v->flags &= ~(MODEL_CONTEXT_SAVE | MODEL_CONTEXT_LOADED);
}

/* An access that reached the vPMU; *val is 0 when it is a read */
static int vpmu_access(struct model_vcpu *v, u32 msr, u64 *val, bool write)
{
	struct xen_model *m = v->m;
	int err;

	if (m->mode == XENPMU_MODE_OFF || !(v->flags & MODEL_INITIALIZED) ||
	    ((m->mode & XENPMU_MODE_ALL) && !m->cfg.privileged))
		return 0;

	err = write ? m->ops->write(v, msr, *val) : m->ops->read(v, msr, val);
	vpmu_unload_cached(v);
	return err;
}

/* Whether an access gets as far as the vPMU, which is a matter of Xen's version */
static bool is_routed(const struct xen_model *m, struct reg_ref ref)
{
	if (ref.bank->reg == REG_CONTROL && m->cfg.vendor == MODEL_INTEL && m->cfg.four_selects)
		return ref.idx < 4;
	return ref.idx < ref.bank->routed;
}

static int trap(struct xen_model *m, unsigned int vcpu, u32 msr, u64 *val, bool write)
{
	struct model_vcpu *v = vcpu_of(m, vcpu);
	struct reg_ref ref = find_reg(m, msr);
	struct model_msr_count *count;

	assert_runs(v);
	if (!ref.bank) {
		v->stats.foreign++;
		return 0;
	}

	if (write)
		v->stats.wrmsr++;
	else
		v->stats.rdmsr++;
	count = count_trap(&v->stats, msr, write);

	if (is_routed(m, ref)) {
		if (!vpmu_access(v, msr, val, write))
			return 0;
	} else if (m->cfg.msr_relaxed && hw_implements(m, ref)) {
		return 0;
	}

	v->stats.gp++;
	if (count)
		count->gps++;
	return -EIO;
}

/**
 * model_rdmsr - a trapped rdmsr
 * @m: the model
 * @vcpu: who reads, has to run
 * @msr: what
 * @val: the value, 0 if the register is no PMU register or nobody provides it
 *
 * Return: 0, or -EIO for #GP.
 */
int model_rdmsr(struct xen_model *m, unsigned int vcpu, u32 msr, u64 *val)
{
	*val = 0;
	return trap(m, vcpu, msr, val, false);
}

/**
 * model_wrmsr - a trapped wrmsr
 * @m: the model
 * @vcpu: who writes, has to run
 * @msr: where
 * @val: the value; ignored if the register is no PMU register
 *
 * Return: 0, or -EIO for #GP.
 */
int model_wrmsr(struct xen_model *m, unsigned int vcpu, u32 msr, u64 val)
{
	return trap(m, vcpu, msr, &val, true);
}

/* The interrupt */

/**
 * struct sampled - who was interrupted
 * @v: the vCPU if it is one of the model's, else NULL
 * @domain: its domain
 * @vcpu: its number there
 * @idle: it is nobody's
 */
struct sampled {
	struct model_vcpu *v;
	domid_t domain;
	u32 vcpu;
	bool idle;
};

static struct sampled find_sampled(struct xen_model *m, struct model_hw *hw)
{
	if (m->sample.domain != DOMID_SELF)
		return (struct sampled){
			.domain = m->sample.domain,
			.vcpu = m->sample.vcpu,
			.idle = m->sample.domain == DOMID_IDLE,
		};
	if (hw->vcpu < 0)
		return (struct sampled){
			.domain = DOMID_IDLE,
			.vcpu = hw - m->hw,
			.idle = true,
		};
	return (struct sampled){
		.v = &m->vcpus[hw->vcpu],
		.domain = m->cfg.privileged ? DOM0_ID : DOMU_ID,
		.vcpu = hw->vcpu,
	};
}

/* NULL: a vCPU of a domain that the model does not have */
static struct model_vcpu *find_sampling(struct xen_model *m, struct model_hw *hw,
					const struct sampled *who)
{
	if (!(m->mode & XENPMU_MODE_ALL) && who->domain < DOMID_FIRST_RESERVED)
		return who->v;
	return m->cfg.privileged ? &m->vcpus[(hw - m->hw) % m->cfg.nr_vcpus] : NULL;
}

/* Segments, cpl and mode bits are the guest's even if Xen's registers are shown */
static u64 sample_segments(const struct model_sample *s, const struct xen_pmu_regs *cur,
			   struct xen_pmu_regs *out)
{
	if (!s->hvm) {
		out->cs = cur->cs;
		out->ss = cur->ss;
		return PMU_SAMPLE_PV | (s->user ? PMU_SAMPLE_USER : 0);
	}
	out->cs = s->guest.cs;
	out->ss = s->guest.ss;
	out->cpl = s->guest.cpl;
	return s->real ? PMU_SAMPLE_REAL : 0;
}

static void fill_sample(struct model_vcpu *sampling, struct model_hw *hw,
			const struct sampled *who)
{
	struct xen_model *m = sampling->m;
	const struct model_sample *s = &m->sample;
	bool xen_shown = !(m->mode & XENPMU_MODE_SELF) && (s->in_xen || who->idle) &&
			 m->cfg.privileged;
	const struct xen_pmu_regs *cur = xen_shown ? &s->xen : &s->guest;
	struct xen_pmu_data *page = sampling->page;
	struct xen_pmu_regs *out = &page->pmu.r.regs;

	out->ip = cur->ip;
	out->sp = cur->sp;
	out->flags = cur->flags;
	page->pmu.pmu_flags = sample_segments(s, cur, out);

	if (xen_shown)
		page->domain_id = DOMID_XEN;
	else
		page->domain_id = who->v == sampling ? DOMID_SELF : who->domain;
	page->vcpu_id = who->vcpu;
	page->pcpu_id = m->cfg.privileged ? hw - m->hw : who->vcpu;
}

static void vpmu_interrupt(struct xen_model *m, struct model_hw *hw)
{
	const struct sampled who = find_sampled(m, hw);
	struct model_vcpu *v = find_sampling(m, hw, &who);

	if (!v || !(v->flags & MODEL_INITIALIZED) || !v->page)
		return;

	if (v->flags & MODEL_CACHED) {
		v->stats.ignored++;
		return;
	}

	/* Loaded or not, the hardware's counters are taken for this vCPU's */
	v->flags |= MODEL_CONTEXT_SAVE | MODEL_CONTEXT_LOADED;
	m->ops->save(v, hw, true);
	v->flags &= ~(MODEL_CONTEXT_SAVE | MODEL_CONTEXT_LOADED);

	fill_sample(v, hw, &who);

	v->lvtpc |= APIC_LVT_MASKED;
	hw->lvtpc = v->lvtpc;
	v->page->pmu.pmu_flags |= PMU_CACHED;
	v->flags |= MODEL_CACHED;

	v->stats.samples++;
	v->virq_pending++;
	if (m->virq)
		m->virq(m, v->id);
}

/**
 * model_pmi_on - let a physical CPU take a performance interrupt
 * @m: the model
 * @pcpu: which one
 *
 * The interrupt arrives even if LVTPC is masked, as one does that was under way.
 */
void model_pmi_on(struct xen_model *m, unsigned int pcpu)
{
	struct model_hw *hw;

	KUNIT_ASSERT_LT(m->test, pcpu, m->cfg.nr_pcpus);
	hw = &m->hw[pcpu];
	if (m->ops->masks_on_pmi)
		hw->lvtpc |= APIC_LVT_MASKED;
	vpmu_interrupt(m, hw);
}

/**
 * model_pmi - let the CPU on which a vCPU runs take a performance interrupt
 * @m: the model
 * @vcpu: the vCPU
 */
void model_pmi(struct xen_model *m, unsigned int vcpu)
{
	struct model_hw *hw = hw_of(vcpu_of(m, vcpu));

	model_pmi_on(m, hw - m->hw);
}

/**
 * model_set_sample - say what the next interrupts interrupt
 * @m: the model
 * @sample: copied
 */
void model_set_sample(struct xen_model *m, const struct model_sample *sample)
{
	m->sample = *sample;
}

/* Counting */

/* True if the counter wrapped */
static bool advance(u64 *counter, u64 n)
{
	u64 sum = *counter + n;

	*counter = sum & COUNTER_MASK;
	return sum != *counter;
}

static u64 tally_of(const struct model_vendor_ops *ops, u64 control, const u64 *tallies)
{
	const struct event *e;

	for (e = ops->events; e->select; e++)
		if ((control & ops->event_mask) == e->select)
			return tallies[e->tally];
	return 0;
}

static bool retire_general(struct xen_model *m, struct model_hw *hw, bool in_xen,
			   const u64 *tallies)
{
	bool pmi = false;
	unsigned int i;

	for (i = 0; i < m->nr_general; i++)
		if (!(m->cfg.dead & BIT_ULL(i)) && m->ops->hw_counts(hw, i, in_xen) &&
		    advance(&hw->counter[i], tally_of(m->ops, hw->control[i], tallies)))
			pmi |= m->ops->hw_overflow(hw, i);
	return pmi;
}

/* Instructions, core cycles, reference cycles; what comes after them stands still */
static bool retire_fixed(struct xen_model *m, struct model_hw *hw, bool in_xen, const u64 *tallies)
{
	static const enum tally counted[] = { INSTRUCTIONS, CYCLES, CYCLES };
	unsigned int i, nr = min_t(unsigned int, m->cfg.nr_fixed, ARRAY_SIZE(counted));
	bool pmi = false;

	for (i = 0; i < nr; i++) {
		u64 ctrl = hw->fixed_ctrl >> (4 * i);

		if (!(hw->global_ctrl & BIT_ULL(32 + i)) ||
		    !(ctrl & (in_xen ? FIXED_OS : FIXED_USR)) ||
		    m->cfg.dead & BIT_ULL(32 + i) ||
		    !advance(&hw->fixed[i], tallies[counted[i]]))
			continue;
		hw->global_status |= BIT_ULL(32 + i);
		pmi |= ctrl & FIXED_PMI;
	}
	return pmi;
}

/**
 * model_retire - let a vCPU, or Xen on its behalf, execute
 * @m: the model
 * @vcpu: the vCPU, has to run
 * @in_xen: Xen executes; also says so in the sample
 * @cycles: how long
 * @instructions: how much
 *
 * The matching counters of its CPU advance, by less than they can hold. A PV guest's kernel and
 * its programs are both user mode to the hardware. If a counter wrapped that asks for it there
 * is one interrupt, after all counting; if LVTPC is masked it is lost, and unmasking does not
 * bring it back.
 */
void model_retire(struct xen_model *m, unsigned int vcpu, bool in_xen, u64 cycles,
		  u64 instructions)
{
	const u64 tallies[NR_TALLIES] = {
		[CYCLES] = cycles,
		[INSTRUCTIONS] = instructions,
	};
	struct model_hw *hw = hw_of(vcpu_of(m, vcpu));
	bool pmi;

	pmi = retire_general(m, hw, in_xen, tallies);
	pmi |= retire_fixed(m, hw, in_xen, tallies);
	if (!pmi)
		return;

	m->sample.in_xen = in_xen;
	if (hw->lvtpc & APIC_LVT_MASKED)
		hw->lost_pmis++;
	else
		model_pmi_on(m, hw - m->hw);
}

/* The scheduler */

/* In mode all, and in mode off, Xen leaves the hardware to whoever used it last */
static bool switches_context(const struct xen_model *m)
{
	return m->mode & (XENPMU_MODE_SELF | XENPMU_MODE_HV);
}

static void switch_from(struct xen_model *m, struct model_hw *hw)
{
	struct model_vcpu *v;

	if (hw->vcpu < 0)
		return;

	v = &m->vcpus[hw->vcpu];
	if (switches_context(m))
		vpmu_save(v, hw);
	v->pcpu = MODEL_NOBODY;
	hw->vcpu = MODEL_NOBODY;
}

static void switch_to(struct model_vcpu *v, struct model_hw *hw)
{
	v->pcpu = hw - v->m->hw;
	hw->vcpu = v->id;
	if (switches_context(v->m))
		vpmu_load(v, hw, false);
}

/**
 * model_schedule - context switch
 * @m: the model
 * @pcpu: on this physical CPU
 * @vcpu: who runs now, taken away from another CPU if need be; MODEL_NOBODY for idle or for
 *	another domain, see struct model_sample
 */
void model_schedule(struct xen_model *m, unsigned int pcpu, int vcpu)
{
	struct model_vcpu *v = vcpu < 0 ? NULL : vcpu_of(m, vcpu);

	KUNIT_ASSERT_LT(m->test, pcpu, m->cfg.nr_pcpus);
	if (v && v->pcpu == pcpu)
		return;

	if (v && v->pcpu >= 0)
		switch_from(m, &m->hw[v->pcpu]);
	switch_from(m, &m->hw[pcpu]);
	if (v)
		switch_to(v, &m->hw[pcpu]);
}

/**
 * model_set_mode - change the mode as nobody's hypercall could
 * @m: the model
 * @mode: XENPMU_MODE_*, taken whatever vPMUs there are
 */
void model_set_mode(struct xen_model *m, unsigned int mode)
{
	m->mode = mode;
}

/**
 * model_hw_of - hardware of the CPU on which a vCPU runs
 * @m: the model
 * @vcpu: the vCPU, has to run
 *
 * Return: its registers.
 */
struct model_hw *model_hw_of(struct xen_model *m, unsigned int vcpu)
{
	return hw_of(vcpu_of(m, vcpu));
}

/**
 * model_traps - how often a register trapped
 * @m: the model
 * @vcpu: on this vCPU
 * @msr: the register
 * @write: count writes, not reads
 *
 * Return: the number since the statistics were reset.
 */
unsigned long model_traps(struct xen_model *m, unsigned int vcpu, u32 msr, bool write)
{
	const struct model_stats *stats = &vcpu_of(m, vcpu)->stats;
	unsigned int i;

	for (i = 0; i < stats->nr_msrs; i++)
		if (stats->msrs[i].msr == msr)
			return write ? stats->msrs[i].writes : stats->msrs[i].reads;
	return 0;
}

/**
 * model_reset_stats - start counting afresh on every vCPU
 * @m: the model
 */
void model_reset_stats(struct xen_model *m)
{
	unsigned int i;

	for (i = 0; i < m->cfg.nr_vcpus; i++)
		memset(&m->vcpus[i].stats, 0, sizeof(m->vcpus[i].stats));
}

/* Boot */

static void reset_hw(struct xen_model *m, struct model_hw *hw)
{
	unsigned int i;

	hw->vcpu = MODEL_NOBODY;
	hw->last_vcpu = MODEL_NOBODY;
	hw->lvtpc = LVTPC_VECTOR | APIC_LVT_MASKED;
	for (i = 0; i < m->nr_general && m->cfg.vendor == MODEL_AMD; i++)
		hw->control[i] = m->cfg.ctrl_boot & AMD_CTRL_RSVD;
}

static void create_vcpu(struct xen_model *m, unsigned int id)
{
	struct model_vcpu *v = &m->vcpus[id];

	v->m = m;
	v->id = id;
	v->pcpu = MODEL_NOBODY;
	get_vpmu(v);
	if (id < m->cfg.nr_pcpus)
		switch_to(v, &m->hw[id]);
}

/**
 * model_create - boot Xen on a machine and create the domain
 * @test: owner of the memory
 * @cfg: machine, Xen and domain; copied
 *
 * A CPU that Xen does not know is as if Xen's command line did not ask for the vPMU.
 *
 * Return: the model; the test is aborted if there is no memory or @cfg cannot be.
 */
struct xen_model *model_create(struct kunit *test, const struct model_config *cfg)
{
	struct xen_model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_ASSERT_LE(test, cfg->nr_general, MODEL_MAX_GENERAL);
	KUNIT_ASSERT_LE(test, cfg->nr_fixed, MODEL_MAX_FIXED);
	KUNIT_ASSERT_GT(test, cfg->nr_vcpus, 0);
	KUNIT_ASSERT_GT(test, cfg->nr_pcpus, 0);

	m->test = test;
	m->cfg = *cfg;
	m->ops = cfg->vendor == MODEL_AMD ? &amd_ops : &intel_ops;
	m->enabled = m->ops->probe(m) && cfg->vpmu;
	m->mode = m->enabled ? cfg->mode : XENPMU_MODE_OFF;
	m->features = cfg->features;
	m->sample.domain = DOMID_SELF;

	m->hw = kunit_kcalloc(test, cfg->nr_pcpus, sizeof(*m->hw), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->hw);
	for (i = 0; i < cfg->nr_pcpus; i++)
		reset_hw(m, &m->hw[i]);

	m->vcpus = kunit_kcalloc(test, cfg->nr_vcpus, sizeof(*m->vcpus), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->vcpus);
	for (i = 0; i < cfg->nr_vcpus; i++)
		create_vcpu(m, i);
	return m;
}

/**
 * model_destroy - free a model before its test ends
 * @m: the model
 */
void model_destroy(struct xen_model *m)
{
	struct kunit *test = m->test;

	kunit_kfree(test, m->vcpus);
	kunit_kfree(test, m->hw);
	kunit_kfree(test, m);
}
