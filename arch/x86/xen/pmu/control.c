// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which events may be opened, what their modifiers mean, and what happens when
 * the hypervisor's mode changes.
 *
 * Xen runs in ring 0; the guest's kernel and its programs share ring 3. So the
 * OS bit of an event select counts the hypervisor, and the USR bit counts the
 * guest, kernel and programs alike.
 */
#define pr_fmt(fmt) "xen_pmu: " fmt

#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/cpu.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/perf_event.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include <xen/pmu.h>

#include "../../events/perf_event.h"
#include "pmu.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "xen_pmu."

static bool strict_modes __read_mostly;
module_param(strict_modes, bool, 0644);
MODULE_PARM_DESC(strict_modes,
		 "refuse to count user or kernel mode alone, instead of counting both");

/* perf's own functions, behind ours. */
static int (*perf_hw_config)(struct perf_event *event) __ro_after_init;
static int (*perf_add)(struct perf_event *event, int flags) __ro_after_init;
static void (*perf_destroy)(struct perf_event *event);

static atomic_t nr_events;

static DEFINE_MUTEX(mode_lock);
static bool mode_off;

/* The time of the hypervisor is not for those who may not see the kernel's. */
static bool may_count_xen(void)
{
	return sysctl_perf_event_paranoid <= 1 || perfmon_capable();
}

/**
 * xen_pmu_privilege() - the privilege bits of an event select in a PV guest
 * @attr: what was asked for
 * @config: the event select as for bare metal
 * @xen: whether the hypervisor may be counted
 *
 * Events of virtual machines (exclude_host) mean nothing here and stay as they
 * are.
 *
 * Return: the event select for Xen.
 */
u64 xen_pmu_privilege(const struct perf_event_attr *attr, u64 config, bool xen)
{
	if (attr->exclude_host)
		return config;

	config &= ~(ARCH_PERFMON_EVENTSEL_OS | ARCH_PERFMON_EVENTSEL_USR);
	if (!attr->exclude_hv && xen)
		config |= ARCH_PERFMON_EVENTSEL_OS;
	if (!attr->exclude_user || !attr->exclude_kernel)
		config |= ARCH_PERFMON_EVENTSEL_USR;
	return config;
}

static int choose_side(struct perf_event *event)
{
	if (!xen_pmu_one_side(&event->attr) || is_sampling_event(event))
		return 0;
	if (strict_modes)
		return -EOPNOTSUPP;

	pr_info_once("a count of user or kernel mode alone counts both: under Xen they share a privilege level\n");
	return 0;
}

/* Xen's command line may allow a few events only; it tells by refusing. */
static int ask_xen(u64 config)
{
	struct xen_pmu_vcpu *v;
	unsigned long flags;
	int err = 0;

	local_irq_save(flags);
	v = this_cpu_ptr(&xen_pmu_vcpu);
	if (v->home == XEN_PMU_HOME_XEN)
		err = xen_pmu_regs_probe(v, config);
	local_irq_restore(flags);
	return err ? -EOPNOTSUPP : 0;
}

static void tidy_here(void *unused)
{
	xen_pmu_regs_tidy(this_cpu_ptr(&xen_pmu_vcpu));
}

/* Counters may be left running for the next event; there is none now. */
static void xen_pmu_destroy(struct perf_event *event)
{
	perf_destroy(event);
	if (atomic_dec_and_test(&nr_events))
		on_each_cpu(tidy_here, NULL, 1);
}

static int xen_pmu_hw_config(struct perf_event *event)
{
	/* A child's event is its parent's, of which Xen was asked. */
	bool inherited = event->parent;
	int err;

	if (!inherited)
		xen_pmu_mode_refresh();
	if (READ_ONCE(mode_off))
		return -EOPNOTSUPP;

	err = perf_hw_config(event);
	if (err)
		return err;

	err = choose_side(event);
	if (err)
		return err;

	event->hw.config = xen_pmu_privilege(&event->attr, event->hw.config,
					     may_count_xen());
	err = inherited ? 0 : ask_xen(event->hw.config);
	if (err)
		return err;

	xen_pmu_output_through(event);
	/* All but branch records, which Xen does not virtualise. */
	if (!perf_destroy)
		perf_destroy = event->destroy;
	if (event->destroy == perf_destroy) {
		event->destroy = xen_pmu_destroy;
		atomic_inc(&nr_events);
	}
	return 0;
}

/* An event that is not scheduled is one that perf knows was not counted. */
static int xen_pmu_add(struct perf_event *event, int flags)
{
	return READ_ONCE(mode_off) ? -EAGAIN : perf_add(event, flags);
}

static void pause_here(void *unused)
{
	xen_pmu_regs_pause(this_cpu_ptr(&xen_pmu_vcpu));
}

static void proceed_here(void *unused)
{
	xen_pmu_regs_proceed(this_cpu_ptr(&xen_pmu_vcpu));
}

static void reschedule_here(void *unused)
{
	perf_pmu_resched(x86_get_pmu(smp_processor_id()));
}

static void go_off(void)
{
	if (mode_off)
		return;

	pr_info("Xen's vPMU mode is off: hardware events are not counted\n");
	WRITE_ONCE(mode_off, true);
	on_each_cpu(reschedule_here, NULL, 1);
	on_each_cpu(pause_here, NULL, 1);
}

static void go_on(void)
{
	int cpu;

	if (!mode_off)
		return;

	pr_info("Xen's vPMU mode is on again\n");
	/* CPUs that came up in between have no PMU yet. */
	for_each_online_cpu(cpu)
		xen_pmu_init(cpu);
	on_each_cpu(proceed_here, NULL, 1);
	WRITE_ONCE(mode_off, false);
	on_each_cpu(reschedule_here, NULL, 1);
}

/* Only dom0 may ask; nobody else's vPMU can lose its mode. */
static void refresh_locked(void)
{
	if (xen_pmu_mode_is_off())
		go_off();
	else
		go_on();
}

/**
 * xen_pmu_mode_refresh() - notice a change of the hypervisor's mode
 *
 * May sleep.
 */
void xen_pmu_mode_refresh(void)
{
	if (xen_pmu_mode_is_off() == READ_ONCE(mode_off))
		return;

	cpus_read_lock();
	mutex_lock(&mode_lock);
	refresh_locked();
	mutex_unlock(&mode_lock);
	cpus_read_unlock();
}

static void refresh_work(struct work_struct *work)
{
	xen_pmu_mode_refresh();
}

static DECLARE_WORK(refresh, refresh_work);

static void queue_refresh(struct irq_work *work)
{
	schedule_work(&refresh);
}

static DEFINE_IRQ_WORK(suspicion, queue_refresh);

/**
 * xen_pmu_mode_suspect() - have the mode looked at soon
 *
 * Any context.
 */
void xen_pmu_mode_suspect(void)
{
	irq_work_queue(&suspicion);
}

/**
 * xen_pmu_set_mode() - set the hypervisor's mode
 * @params: arguments of XENPMU_mode_set
 *
 * Before the mode goes off the counters are read and stopped: Xen does neither.
 * May sleep.
 *
 * Return: what Xen answers.
 */
int xen_pmu_set_mode(struct xen_pmu_params *params)
{
	int err;

	if (!static_key_enabled(&xen_pmu_key))
		return xen_pmu_op(XENPMU_mode_set, params);

	cpus_read_lock();
	mutex_lock(&mode_lock);
	if (params->val == XENPMU_MODE_OFF)
		go_off();
	err = xen_pmu_op(XENPMU_mode_set, params);
	refresh_locked();
	mutex_unlock(&mode_lock);
	cpus_read_unlock();
	return err;
}

static int __init xen_pmu_control_init(void)
{
	struct pmu *pmu = x86_get_pmu(smp_processor_id());

	if (!static_key_enabled(&xen_pmu_key) || !x86_pmu.hw_config)
		return 0;

	/* Xen keeps CR4.PCE clear: RDPMC kills a program that believes in it. */
	x86_pmu.attr_rdpmc = 0;
	x86_pmu.attr_rdpmc_broken = 1;

	xen_pmu_be_lazy();
	perf_hw_config = x86_pmu.hw_config;
	x86_pmu.hw_config = xen_pmu_hw_config;
	perf_add = pmu->add;
	pmu->add = xen_pmu_add;
	return 0;
}

/* After perf's own early_initcall, before anything opens an event. */
core_initcall(xen_pmu_control_init);
