// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRQ_XENPMU: the order of things, and what to do when one fails.
 */
#include <linux/interrupt.h>
#include <linux/jump_label.h>
#include <linux/ptrace.h>
#include <linux/sched/clock.h>

#include <asm/irq_regs.h>

#include "../../events/perf_event.h"
#include "lazy.h"
#include "perf.h"

#define CREATE_TRACE_POINTS
#include <trace/events/xen_pmu.h>

static u8 mode_of(const struct xen_pmu_sample *sample)
{
	if (sample->domain == DOMID_XEN)
		return XEN_PMU_IN_HYPERVISOR;
	return sample->user ? XEN_PMU_IN_USER : XEN_PMU_IN_KERNEL;
}

static noinline struct pt_regs *take_sample(struct xen_pmu_vcpu *v,
					    struct pt_regs *interrupted,
					    struct pt_regs *made)
{
	const struct xen_pmu_sample *sample = &v->sample;
	struct pt_regs *regs = xen_pmu_sample_take(v, interrupted, made);

	v->stats.delayed += sample->delayed;
	trace_xen_pmu_sample(sample->domain, sample->vcpu, sample->pcpu,
			     sample->ip, mode_of(sample), sample->delayed);

	/* Not before: the tracepoint's own sample is of this domain. */
	v->guest = xen_pmu_sample_guest(sample);
	return regs;
}

static noinline irqreturn_t spurious(struct xen_pmu_vcpu *v)
{
	if (v->early) {
		v->early = false;
		return IRQ_HANDLED;
	}
	v->stats.spurious++;
	return IRQ_NONE;
}

/* Whether the sample is where the interrupt was let in, and nobody asks more. */
static __always_inline bool is_plain(const struct xen_pmu_vcpu *v,
				     const struct pt_regs *interrupted)
{
	return !tracepoint_enabled(xen_pmu_sample) &&
	       xen_pmu_sample_is_here(v->page, interrupted);
}

static __always_inline void begin(struct xen_pmu_vcpu *v)
{
	v->stats.interrupts++;
	xen_pmu_lazy_enter(v);
	v->handling = true;
}

DEFINE_STATIC_KEY_FALSE(xen_pmu_way_out_key);

/*
 * The kernel's way from the flush to the program that it interrupted is some
 * hundred instructions; in no event's count is it more than this.
 */
#define WAY_OUT	8192

static u64 about_to_overflow(const struct xen_pmu_vcpu *v)
{
	const struct xen_pmu_reg *reg;
	unsigned int counter;
	u64 soon = 0;

	for_each_counter(counter, xen_pmu_enabled(&v->held)) {
		reg = xen_pmu_reg(v, counter);
		if (reg->width - xen_pmu_page_load(v, reg) < WAY_OUT)
			soon |= BIT_ULL(reg->bit);
	}
	return soon;
}

/* See xen_pmu_on_way_out(). */
static noinline void note_way_out(struct xen_pmu_vcpu *v,
				  struct pt_regs *interrupted)
{
	v->soon = user_mode(interrupted) ? about_to_overflow(v) : 0;
	v->out_ip = interrupted->ip;
	v->out_sp = interrupted->sp;
}

static __always_inline irqreturn_t end(struct xen_pmu_vcpu *v,
				       struct pt_regs *interrupted)
{
	if (static_branch_unlikely(&xen_pmu_way_out_key))
		note_way_out(v, interrupted);
	v->handling = false;
	v->guest = 0;
	xen_pmu_lazy_flush(v);
	return IRQ_HANDLED;
}

/* Apart, as registers on the stack cost more than all the rest. */
static noinline void handle_made(struct xen_pmu_vcpu *v,
				 struct pt_regs *interrupted,
				 int (*handler)(struct pt_regs *regs))
{
	struct pt_regs made, *regs = take_sample(v, interrupted, &made);

	begin(v);
	if (handler)
		handler(regs);
}

static __always_inline void handle(struct xen_pmu_vcpu *v,
				   struct pt_regs *interrupted,
				   int (*handler)(struct pt_regs *regs))
{
	if (unlikely(!is_plain(v, interrupted))) {
		handle_made(v, interrupted, handler);
		return;
	}
	begin(v);
	if (likely(handler))
		handler(interrupted);
}

/**
 * xen_pmu_vcpu_interrupt() - handle an overflow
 * @v: the vCPU
 * @regs: what was interrupted
 * @handler: perf's; NULL if perf has no PMU
 *
 * Interrupt without an overflow behind it, and one while another is handled,
 * change nothing. On the vCPU, with interrupts off.
 *
 * Return: IRQ_HANDLED if there was an overflow.
 */
irqreturn_t xen_pmu_vcpu_interrupt(struct xen_pmu_vcpu *v, struct pt_regs *regs,
				   int (*handler)(struct pt_regs *regs))
{
	if (!xen_pmu_cached(v) || v->handling)
		return spurious(v);

	handle(v, regs, handler);
	return end(v, regs);
}

/**
 * xen_pmu_vcpu_early() - handle an overflow before its VIRQ comes
 * @v: the vCPU; xen_pmu_cached() holds, and not in the handler
 * @handler: perf's
 *
 * The VIRQ finds nothing then. On the vCPU, with interrupts off.
 */
void xen_pmu_vcpu_early(struct xen_pmu_vcpu *v,
			int (*handler)(struct pt_regs *regs))
{
	struct pt_regs nowhere = {}, *old = set_irq_regs(&nowhere);

	v->early = true;
	handle_made(v, &nowhere, handler);
	end(v, &nowhere);
	set_irq_regs(old);
}

/*
 * What brakes sampling where it takes too much time. Xen's part, on the way here
 * and back, is as long as the handler or longer, and no clock here sees it: what
 * has gone by since the last interrupt counts as well, if it is so little that
 * nothing much can have been done in it.
 */
#define WAY	4

static __always_inline u64 time_taken(struct xen_pmu_vcpu *v, u64 began, u64 now)
{
	u64 took = now - began, before = began - v->ended;

	v->ended = now;
	return before < WAY * took ? took + before : took;
}

/* The time of other vCPUs on this processor is not the handler's. */
static __always_inline void tell_took(struct xen_pmu_vcpu *v, u64 scheduled,
				      u64 began)
{
	if (likely(xen_pmu_scheduled_at() == scheduled))
		perf_sample_event_took(time_taken(v, began, sched_clock()));
}

/**
 * xen_pmu_handle_early() - handle an overflow that waits when perf stops counters
 * @v: the vCPU; xen_pmu_cached() holds, and not in the handler
 *
 * On bare metal its NMI has come by then. The VIRQ waits for interrupts to be on,
 * when perf has noted that the events of a task that is switched from are
 * stopped, and of those it makes no sample. On the vCPU, with interrupts off.
 */
void xen_pmu_handle_early(struct xen_pmu_vcpu *v)
{
	u64 scheduled, began;

	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_handle_early, v);

	if (!x86_pmu.handle_irq)
		return;

	scheduled = xen_pmu_scheduled_at();
	began = sched_clock();
	xen_pmu_vcpu_early(v, x86_pmu.handle_irq);
	tell_took(v, scheduled, began);
}

/* The same, with what would cost instructions to pass. */
irqreturn_t xen_pmu_interrupt(int irq, void *dev_id)
{
	struct xen_pmu_vcpu *v = this_cpu_ptr(&xen_pmu_vcpu);
	struct pt_regs *interrupted = get_irq_regs();
	u64 scheduled, began;

	if (!xen_pmu_cached(v) || v->handling)
		return spurious(v);

	scheduled = xen_pmu_scheduled_at();
	began = sched_clock();
	handle(v, interrupted, x86_pmu.handle_irq);
	tell_took(v, scheduled, began);
	return end(v, interrupted);
}
