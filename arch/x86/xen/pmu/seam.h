/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module asks of Xen and of the kernel around it; this file and seam.c
 * have nothing else, and the unit tests have it all. Inline is what every switch
 * and every interrupt takes.
 */
#ifndef _ARCH_X86_XEN_PMU_SEAM_H
#define _ARCH_X86_XEN_PMU_SEAM_H

#include <linux/errno.h>
#include <linux/irqflags.h>
#include <linux/kconfig.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/xen/hypercall.h>

#include <xen/xen-ops.h>

#include "compat.h"

struct xen_pmu_data;
struct xen_pmu_params;

/**
 * __xen_pmu_op() - the xenpmu hypercall
 * @op: XENPMU_*
 * @params: its arguments; NULL for XENPMU_flush and XENPMU_lvtpc_set
 *
 * Any context. xen-vpmu ABI: include/xen/interface/xenpmu.h.
 *
 * Return: 0 or what Xen answers, -ENOSYS and -EOPNOTSUPP included.
 */
static __always_inline int __xen_pmu_op(unsigned int op,
					struct xen_pmu_params *params)
{
	return HYPERVISOR_xenpmu_op(op, params);
}

/**
 * __xen_pmu_scheduled_at() - when Xen switched to this vCPU the last time
 *
 * It changes whenever the vCPU was away. Interrupts off.
 *
 * Return: nanoseconds of Xen's clock.
 */
static __always_inline u64 __xen_pmu_scheduled_at(void)
{
	return xen_scheduled_at();
}

/**
 * __xen_pmu_rdmsr() - read an MSR by a trap into Xen
 * @msr: MSR number
 * @val: where the value goes; 0 if the read failed
 *
 * Any context.
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
static __always_inline int __xen_pmu_rdmsr(u32 msr, u64 *val)
{
	return native_read_msr_safe(msr, val);
}

/**
 * __xen_pmu_wrmsr() - write an MSR by a trap into Xen
 * @msr: MSR number
 * @val: value
 *
 * Any context.
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
static __always_inline int __xen_pmu_wrmsr(u32 msr, u64 val)
{
	return native_write_msr_safe(msr, val);
}

/**
 * __xen_pmu_is_traced() - whether somebody is told of traps
 *
 * Any context. Who is, runs between the trap and what follows it.
 *
 * Return: so.
 */
static __always_inline bool __xen_pmu_is_traced(void)
{
	return tracepoint_enabled(write_msr) || tracepoint_enabled(read_msr);
}

/**
 * __xen_pmu_rdmsr_quiet() - __xen_pmu_rdmsr(), and nobody is told
 * @msr: MSR number
 * @val: where the value goes; 0 if the read failed
 *
 * Any context. For who has seen that __xen_pmu_is_traced() does not hold.
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
static __always_inline int __xen_pmu_rdmsr_quiet(u32 msr, u64 *val)
{
	u64 low, high;
	int err;

	asm volatile("1:	rdmsr\n\t"
		     "xorl	%k[err], %k[err]\n"
		     "2:\n\t"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_RDMSR_SAFE, %[err])
		     : "=a" (low), "=d" (high), [err] "=r" (err)
		     : "c" (msr)
		     : "memory");
	*val = low | high << 32;
	return err;
}

/**
 * __xen_pmu_wrmsr_quiet() - __xen_pmu_wrmsr(), and nobody is told
 * @msr: MSR number
 * @val: value
 *
 * Any context. For who has seen that __xen_pmu_is_traced() does not hold.
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
static __always_inline int __xen_pmu_wrmsr_quiet(u32 msr, u64 val)
{
	asm goto("1:	wrmsr\n\t"
		 _ASM_EXTABLE(1b, %l[refused])
		 :
		 : "c" (msr), "a" (lower_32_bits(val)), "d" (upper_32_bits(val))
		 : "memory"
		 : refused);
	return 0;
refused:
	return -EIO;
}

#if defined(MODULE) || IS_ENABLED(CONFIG_XEN_PMU_KUNIT_TEST)
#define xen_pmu_irqs_off	irqs_disabled
#else
#include "../xen-ops.h"

/**
 * xen_pmu_irqs_off() - irqs_disabled() of a PV guest, without the call that it is
 *
 * Any context; the caller stays on its CPU.
 *
 * Return: whether Xen holds events back.
 */
static __always_inline bool xen_pmu_irqs_off(void)
{
	return this_cpu_read(xen_vcpu_info.evtchn_upcall_mask);
}
#endif

/* The unit tests redirect a function by its address, so it has one there. */
#if IS_ENABLED(CONFIG_XEN_PMU_KUNIT_TEST)
int xen_pmu_op(unsigned int op, struct xen_pmu_params *params);
u64 xen_pmu_scheduled_at(void);
int xen_pmu_rdmsr(u32 msr, u64 *val);
int xen_pmu_wrmsr(u32 msr, u64 val);
bool xen_pmu_is_traced(void);
#define xen_pmu_rdmsr_quiet	xen_pmu_rdmsr
#define xen_pmu_wrmsr_quiet	xen_pmu_wrmsr
#else
#define xen_pmu_op		__xen_pmu_op
#define xen_pmu_scheduled_at	__xen_pmu_scheduled_at
#define xen_pmu_rdmsr		__xen_pmu_rdmsr
#define xen_pmu_wrmsr		__xen_pmu_wrmsr
#define xen_pmu_is_traced	__xen_pmu_is_traced
#define xen_pmu_rdmsr_quiet	__xen_pmu_rdmsr_quiet
#define xen_pmu_wrmsr_quiet	__xen_pmu_wrmsr_quiet
#endif

bool xen_pmu_mode_is_off(void);
bool xen_pmu_is_pinned(unsigned int cpu);
struct xen_pmu_data *xen_pmu_alloc_page(void);
void xen_pmu_free_page(struct xen_pmu_data *page);
u64 xen_pmu_frame(struct xen_pmu_data *page);
int xen_pmu_bind_irq(unsigned int cpu, const char *name);
void xen_pmu_unbind_irq(int irq);

#endif /* _ARCH_X86_XEN_PMU_SEAM_H */
