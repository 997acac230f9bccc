// SPDX-License-Identifier: GPL-2.0-only
/*
 * With seam.h the only file that reaches Xen: hypercalls, trapping MSR accesses,
 * the shared page, the event channel. A KUnit test redirects these functions to
 * its model of Xen.
 */
#include <linux/gfp.h>
#include <linux/interrupt.h>

#include <asm/xen/hypercall.h>
#include <asm/xen/page.h>

#include <xen/events.h>
#include <xen/interface/vcpu.h>
#include <xen/xen-ops.h>

#include "perf.h"
#include "seam.h"

#if IS_ENABLED(CONFIG_XEN_PMU_KUNIT_TEST)

int xen_pmu_op(unsigned int op, struct xen_pmu_params *params)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_op, op, params);

	return __xen_pmu_op(op, params);
}

u64 xen_pmu_scheduled_at(void)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_scheduled_at);

	return __xen_pmu_scheduled_at();
}

int xen_pmu_rdmsr(u32 msr, u64 *val)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_rdmsr, msr, val);

	return __xen_pmu_rdmsr(msr, val);
}

int xen_pmu_wrmsr(u32 msr, u64 val)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_wrmsr, msr, val);

	return __xen_pmu_wrmsr(msr, val);
}

bool xen_pmu_is_traced(void)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_is_traced);

	return __xen_pmu_is_traced();
}

#endif /* CONFIG_XEN_PMU_KUNIT_TEST */

/**
 * xen_pmu_mode_is_off() - ask for the hypervisor's mode
 *
 * Any context. Only dom0 may ask; of another domain the mode cannot go off
 * while it has a vPMU (do_xenpmu_op() answers EBUSY).
 *
 * Return: whether the mode is off.
 */
bool xen_pmu_mode_is_off(void)
{
	struct xen_pmu_params params = {};

	return !xen_pmu_op(XENPMU_mode_get, &params) &&
	       params.val == XENPMU_MODE_OFF;
}

/**
 * xen_pmu_is_pinned() - whether a vCPU of dom0 stays on one processor
 * @cpu: Linux' number of the CPU
 *
 * Any context.
 *
 * Return: so; Xen answers EINVAL of one that may run on several, and of all in
 * other domains.
 */
bool xen_pmu_is_pinned(unsigned int cpu)
{
	struct vcpu_get_physid physid;

	return !HYPERVISOR_vcpu_op(VCPUOP_get_physid, xen_vcpu_nr(cpu), &physid);
}

/**
 * xen_pmu_alloc_page() - a zeroed page to share with Xen
 *
 * May sleep.
 *
 * Return: the page, or NULL.
 */
struct xen_pmu_data *xen_pmu_alloc_page(void)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_alloc_page);

	return (struct xen_pmu_data *)get_zeroed_page(GFP_KERNEL);
}

/**
 * xen_pmu_free_page() - undo xen_pmu_alloc_page()
 * @page: the page, which Xen no longer maps
 */
void xen_pmu_free_page(struct xen_pmu_data *page)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_free_page, page);

	free_page((unsigned long)page);
}

/**
 * xen_pmu_frame() - the machine frame of a page, as XENPMU_init wants it
 * @page: the page
 *
 * Return: the frame number.
 */
u64 xen_pmu_frame(struct xen_pmu_data *page)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_frame, page);

	return virt_to_gfn(page);
}

/**
 * xen_pmu_bind_irq() - bind VIRQ_XENPMU of a CPU to the handler
 * @cpu: the CPU, which need not be online
 * @name: the interrupt's name; stays with it
 *
 * May sleep.
 *
 * Return: Linux' interrupt number, or a negative error.
 */
int xen_pmu_bind_irq(unsigned int cpu, const char *name)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_bind_irq, cpu, name);

	return bind_virq_to_irqhandler(VIRQ_XENPMU, cpu, xen_pmu_interrupt,
				       IRQF_PERCPU | IRQF_NOBALANCING, name,
				       NULL);
}

/**
 * xen_pmu_unbind_irq() - undo xen_pmu_bind_irq()
 * @irq: what it returned
 *
 * May sleep.
 */
void xen_pmu_unbind_irq(int irq)
{
	KUNIT_STATIC_STUB_REDIRECT(xen_pmu_unbind_irq, irq);

	unbind_from_irqhandler(irq, NULL);
}
