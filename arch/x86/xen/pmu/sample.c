// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the sample in the shared page to what perf understands: pt_regs, and
 * for samples of the hypervisor and of other domains the state of a guest.
 */
#include <linux/perf_event.h>
#include <linux/ptrace.h>
#include <linux/string.h>

#include <asm/segment.h>

#include "perf.h"

/*
 * PMU_SAMPLE_USER is Xen's note of the vCPU's mode, and not always that of the
 * registers in the page: a sample in Xen carries the mode of the vCPU that Xen
 * worked for, and on the way from a program to the guest's kernel the mode
 * changes before the instruction pointer does. A PV guest's kernel lives in the
 * upper half of the address space and its programs in the lower: the address
 * does not lie.
 */
static bool in_user(const struct xen_pmu_sample *sample, u64 flags, u8 cpl)
{
	if (sample->domain == DOMID_XEN)
		return false;
	if (flags & PMU_SAMPLE_PV)
		return (s64)sample->ip >= 0;
	return cpl & 3;
}

static void read_sample(const struct xen_pmu_data *page,
			struct xen_pmu_sample *sample)
{
	const struct xen_pmu_regs *regs = &page->pmu.r.regs;
	u64 flags = READ_ONCE(page->pmu.pmu_flags);

	sample->ip = READ_ONCE(regs->ip);
	sample->sp = READ_ONCE(regs->sp);
	sample->flags = READ_ONCE(regs->flags);
	sample->cs = READ_ONCE(regs->cs);
	sample->ss = READ_ONCE(regs->ss);
	sample->domain = READ_ONCE(page->domain_id);
	sample->vcpu = READ_ONCE(page->vcpu_id);
	sample->pcpu = READ_ONCE(page->pcpu_id);

	sample->user = in_user(sample, flags, READ_ONCE(regs->cpl));
}

static bool belongs_to(const struct xen_pmu_sample *sample,
		       struct pt_regs *regs)
{
	return sample->domain == DOMID_SELF && sample->ip == regs->ip &&
	       sample->sp == regs->sp && sample->user == user_mode(regs);
}

static void make_regs(const struct xen_pmu_sample *sample, struct pt_regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	regs->ip = sample->ip;
	regs->sp = sample->sp;
	regs->flags = sample->flags;
	regs->ss = sample->ss;
	/* Guest kernels run in ring 3: the segment does not tell the mode. */
	regs->cs = sample->user ? sample->cs | 3 : __KERNEL_CS;
}

/**
 * xen_pmu_sample_take() - take the sample out of the page
 * @v: the vCPU; the sample goes to its @sample
 * @interrupted: what the interrupt handler's entry code saved
 * @made: where registers are made up
 *
 * The page has no general registers. If the interrupt came at once, those that
 * the guest saved are the sample's; otherwise it is a delayed one.
 *
 * Return: the sample's registers: @interrupted or @made.
 */
struct pt_regs *xen_pmu_sample_take(struct xen_pmu_vcpu *v,
				    struct pt_regs *interrupted,
				    struct pt_regs *made)
{
	struct xen_pmu_sample *sample = &v->sample;

	read_sample(v->page, sample);
	sample->delayed = false;
	if (belongs_to(sample, interrupted))
		return interrupted;

	sample->delayed = sample->domain == DOMID_SELF;
	make_regs(sample, made);
	return made;
}

/**
 * xen_pmu_sample_guest() - whether a sample is not of this domain
 * @sample: the sample
 *
 * perf has one notion of code that is not its kernel's: a guest's. It fits
 * other domains, and for the hypervisor it is what lets perf resolve symbols,
 * from a file that stands for a guest's kallsyms (--guestkallsyms).
 * PERF_RECORD_MISC_HYPERVISOR exists, but no perf resolves it on x86.
 *
 * Return: PERF_GUEST_* flags.
 */
unsigned int xen_pmu_sample_guest(const struct xen_pmu_sample *sample)
{
	if (sample->domain == DOMID_SELF)
		return 0;

	return PERF_GUEST_ACTIVE | (sample->user ? PERF_GUEST_USER : 0);
}

static unsigned int xen_guest_state(void)
{
	return this_cpu_read(xen_pmu_vcpu.guest);
}

static unsigned long xen_guest_ip(void)
{
	return this_cpu_read(xen_pmu_vcpu.sample.ip);
}

static struct perf_guest_info_callbacks guest_callbacks = {
	.state	= xen_guest_state,
	.get_ip	= xen_guest_ip,
};

/**
 * xen_pmu_sample_init() - tell perf how to ask whose a sample is
 *
 * Once, when the first vCPU has its PMU. May sleep.
 */
void xen_pmu_sample_init(void)
{
	perf_register_guest_info_callbacks(&guest_callbacks);
}
