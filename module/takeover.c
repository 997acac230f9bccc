// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PMU changes hands: at load from the kernel's pmu.c to us, at removal back.
 *
 * In between perf stands still on all CPUs, as while Xen's mode is off: events
 * are taken off their counters and read, their time ends, and they begin again
 * where they were. Xen gives each vCPU a new PMU, so nothing in hardware has to
 * fit. Whatever can go wrong is found before that, or undone.
 */
#include <linux/bitops.h>
#include <linux/cpu.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/workqueue.h>

#include <asm/processor.h>

#include <xen/pmu.h>
#include <xen/xen.h>

#include "arch/x86/events/perf_event.h"
#include "arch/x86/xen/pmu/perf.h"
#include "arch/x86/xen/pmu/seam.h"
#include "older.h"

struct workqueue_struct *xen_pmu_wq;

static struct perf_guest_info_callbacks *guests;

void xen_pmu_take_guests(struct perf_guest_info_callbacks *callbacks)
{
	guests = callbacks;
	perf_register_guest_info_callbacks(guests);
}

/* ---- Whether it is as expected ---- */

/* A layout that is wrong by a member would show here. */
static bool __init is_perfs(void)
{
	const struct xen_pmu_kernels_x86_pmu *k = xen_pmu_kernel.x86_pmu;
	bool intel = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;

	return k->handle_irq &&
	       k->handle_irq == xen_pmu_find_symbol(intel ? "intel_pmu_handle_irq" :
							    "amd_pmu_handle_irq") &&
	       k->event_map == xen_pmu_find_symbol(intel ? "intel_pmu_event_map" :
							   "amd_pmu_event_map");
}

static const char *__init why_not(void)
{
	const struct xen_pmu_kernel *k = &xen_pmu_kernel;

	if (!*k->is_xen_pmu)
		return "the kernel has no vPMU; boot Xen with vpmu=on";
	if (!k->x86_pmu->handle_irq || !k->x86_get_pmu(0)->cpu_context)
		return "perf has no PMU in this kernel";
	if (k->x86_pmu->num_hybrid_pmus)
		return "perf has set itself up for a hybrid processor, which Xen does not show";
	if (!is_perfs())
		return "perf's data is not as this module was built for";
	if (xen_pmu_mode_is_off())
		return "Xen's vPMU mode is off; set it first";
	return NULL;
}

/* ---- Changing hands ---- */

/* On the CPU. perf has told the kernel's page, and does not say it again. */
static void unmask_ours(void *unused)
{
	xen_pmu_write_lvtpc(APIC_DM_NMI);
}

static void unmask_kernels(void *unused)
{
	xen_pmu_op(XENPMU_lvtpc_set, NULL);
}

/* perf stands still. */
static void give_back(void)
{
	int cpu;

	if (guests)
		xen_pmu_control_exit();
	for_each_online_cpu(cpu)
		xen_pmu_kernel.xen_pmu_init(cpu);
	on_each_cpu(unmask_kernels, NULL, 1);
	xen_pmu_hooks_off();

	/* Which waits for all CPUs; outside our handler they say nothing. */
	if (guests)
		perf_unregister_guest_info_callbacks(guests);
	perf_register_guest_info_callbacks(xen_pmu_kernel.xen_guest_cbs);
}

/* Counters that perf would use and Xen does not emulate. */
static bool __init is_short_of_counters(const struct xen_pmu *pmu)
{
	return fls64(xen_pmu_perfs_counters(xen_pmu_kernel.x86_pmu)) > pmu->nr_general;
}

/* On the first CPU, since what is found out there holds for all. */
static long __init take(void *unused)
{
	const struct xen_pmu *pmu;
	int cpu, err = -ENODEV;

	cpus_read_lock();
	/* Before perf stands still, since it waits for all CPUs. */
	perf_unregister_guest_info_callbacks(xen_pmu_kernel.xen_guest_cbs);
	xen_pmu_hooks_hold();
	for_each_online_cpu(cpu)
		xen_pmu_kernel.xen_pmu_finish(cpu);

	xen_pmu_boot();
	if (!static_key_enabled(&xen_pmu_key))
		goto fail;
	pmu = per_cpu(xen_pmu_vcpu, 0).pmu;
	if (is_short_of_counters(pmu)) {
		pr_err("perf uses counters that Xen does not emulate\n");
		goto fail;
	}

	for_each_online_cpu(cpu)
		xen_pmu_init(cpu);
	on_each_cpu(unmask_ours, NULL, 1);
	xen_pmu_perf_is_up_now();
	xen_pmu_debugfs_init_now();
	pr_info("in place of the kernel's own code; perf keeps the %u general-purpose counters that it knew\n",
		(unsigned int)hweight64(xen_pmu_perfs_counters(xen_pmu_kernel.x86_pmu)));
	xen_pmu_hooks_open(pmu->counters);
	err = 0;
	goto out;

fail:
	give_back();
	pr_err("the kernel's own code has the PMU again\n");
out:
	cpus_read_unlock();
	return err;
}

static int __init xen_pmu_module_init(void)
{
	const char *why;
	int err;

	if (!xen_pv_domain()) {
		pr_err("this is no PV domain of Xen; nothing was changed\n");
		return -ENODEV;
	}
	err = xen_pmu_find_symbols();
	if (err)
		return err;
	why = why_not();
	if (why) {
		pr_err("%s; nothing was changed\n", why);
		return -ENODEV;
	}

	xen_pmu_wq = alloc_workqueue("xen_pmu", 0, 0);
	if (!xen_pmu_wq)
		return -ENOMEM;
	err = xen_pmu_hook();
	if (err) {
		why = err == -EBUSY ?
		      "somebody has replaced one of the functions, or ftrace is off" :
		      "ftrace does not know one of the functions";
		pr_err("%s (%d); nothing was changed\n", why, err);
		goto fail_wq;
	}

	err = work_on_cpu(0, take, NULL);
	if (err)
		goto fail_hook;
	return 0;

fail_hook:
	xen_pmu_unhook();
fail_wq:
	destroy_workqueue(xen_pmu_wq);
	return err;
}

static void remove_debugfs(void)
{
	struct dentry *xen = debugfs_lookup("xen", NULL);

	debugfs_lookup_and_remove("pmu", xen);
	dput(xen);
}

static void __exit xen_pmu_module_exit(void)
{
	xen_pmu_hooks_shut();
	remove_debugfs();
	cpus_read_lock();
	give_back();
	cpus_read_unlock();
	xen_pmu_unhook();
	destroy_workqueue(xen_pmu_wq);
	pr_info("the kernel's own code has the PMU again\n");
}

module_init(xen_pmu_module_init);
module_exit(xen_pmu_module_exit);
MODULE_DESCRIPTION("Xen paravirtual PMU, in place of the kernel's own code");
MODULE_LICENSE("GPL");
