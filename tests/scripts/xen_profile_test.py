# SPDX-License-Identifier: GPL-2.0
"""xen-profile away from Xen: its refusals, on folders that look like a host; its parsing.

    python3 tests/scripts/xen_profile_test.py
"""

import contextlib
import errno
import importlib.machinery
import importlib.util
import io
import os
import signal
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
TOOL = Path(__file__).resolve().parents[2] / "tools" / "xen-profile"
loader = importlib.machinery.SourceFileLoader("xen_profile", str(TOOL))
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
sys.modules[loader.name] = tool
loader.exec_module(tool)

DOM0 = {
    "sys/hypervisor/type": "xen\n",
    "sys/hypervisor/properties/features": "00000000000028f5\n",
    "sys/hypervisor/version/major": "4\n",
    "sys/hypervisor/version/minor": "17\n",
    "sys/hypervisor/version/extra": ".5\n",
    "sys/hypervisor/pmu/pmu_mode": "self\n",
    "proc/xen/xensyms": "",
    "proc/cpuinfo": "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu MHz\t\t: 2000.000\n",
    "proc/1/stat": "",
}
DOMU = {name: text for name, text in DOM0.items() if "/pmu/" not in name} | {
    "sys/hypervisor/properties/features": "00000000000020f5\n"}
# A perf that counts, records nothing in particular and prints three samples.
PERF = """\
#!/bin/sh
case "$*" in
--version) echo "perf version ${PERF_VERSION-6.1.99}" ;;
stat*) echo "${PERF_CYCLES-12345},,cycles" >&2 ;;
*record*)
	while [ "$1" != -o ]; do shift; done
	cat "$ROOT/sys/hypervisor/pmu/pmu_mode" >"$2" 2>/dev/null || echo none >"$2"
	cp "$2" "$ROOT/recorded"
	if [ -n "$PERF_TELLS" ]; then
		trap 'kill $!; exit 0' INT
		sleep "${PERF_TAKES-60}" &
		kill -$PERF_TELLS $PPID
		wait
	fi
	[ -z "$PERF_FAILS" ] || { rm "$2"; exit 1; } ;;
script*)
	[ -z "$SCRIPT_TELLS" ] || { kill -$SCRIPT_TELLS $PPID; sleep 60; }
	printf 'prog  7 U  \\n\\t  1234 hot\\n\\t 1200 main\\n\\n'
	printf 'prog  7 K  \\n\\tffffffff81000010 vfs_read\\n\\t 1200 main\\n\\n'
	printf ':7  7 G  \\n\\tffff82d040200000 lstar_enter\\n\\n' ;;
esac
"""


class Case(unittest.TestCase):
    """A folder that looks like a host."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.host(DOM0)
        self.program("perf", PERF)
        (self.root / "page.html").write_text("$title $about $sections $data")
        for patch in (mock.patch.dict(os.environ, PATH=f"{self.root}/bin:{os.environ['PATH']}",
                                      ROOT=str(self.root)),
                      mock.patch.object(tool, "template", (self.root / "page.html").read_text),
                      mock.patch.object(tool.os, "geteuid", lambda: self.user)):
            patch.start()
            self.addCleanup(patch.stop)
        self.user = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # As in a shell: who runs the tests may have ignored them, as nohup does.
            self.addCleanup(signal.signal, number, signal.signal(number, signal.SIG_DFL))

    def program(self, name, text):
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def host(self, files):
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def call(self, *arguments):
        """Exit status, and what is printed."""
        text = io.TextIOWrapper(io.BytesIO())
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            try:
                status = tool.main(["--root", str(self.root), "-o", f"{self.root}/out.html",
                                    *arguments])
            except SystemExit as exit_:
                status = exit_.code
        text.seek(0)
        return status, text.read()

    def mode(self):
        return (self.root / tool.MODE).read_text().strip()

    def refused(self, words, *arguments):
        """It says so, in one sentence or two, and has changed nothing."""
        before = self.mode() if (self.root / tool.MODE).exists() else None
        status, text = self.call(*arguments)
        self.assertEqual(status, 1, text)
        self.assertIn(words, text)
        self.assertTrue(text.startswith("xen-profile: "), text)
        self.assertNotIn("Traceback", text)
        self.assertNotIn("should not happen", text)
        self.assertFalse((self.root / "recorded").exists())
        if before is not None:
            self.assertEqual(self.mode(), before)


class Refusals(Case):

    def test_not_xen(self):
        (self.root / "sys/hypervisor/type").unlink()
        self.refused("no Xen guest")

    def test_not_root(self):
        self.user = 1000
        self.refused("as root")

    def test_domain_without_the_host(self):
        self.host(DOMU)
        self.refused("not dom0", "--domains")
        self.refused("not dom0", "--hypervisor")

    def test_no_vpmu(self):
        (self.root / tool.MODE).unlink()
        self.refused("vpmu=on")

    def test_no_cycles(self):
        with mock.patch.dict(os.environ, PERF_CYCLES="<not supported>"):
            self.refused("cycles are not supported")

    def test_mode_off(self):
        self.host({tool.MODE: "off\n"})
        self.refused("mode off")

    def test_another_profiler(self):
        self.host({tool.MODE: "all\n"})
        self.refused("mode all")
        self.host({tool.MODE: "hv\n"})
        self.refused("mode hv", "--no-hypervisor")
        self.refused("mode hv", "--domains")

    def test_no_perf(self):
        with mock.patch.dict(os.environ, PATH="/nowhere"):
            self.refused("perf is missing")

    def test_odd_perf(self):
        self.program("perf", "#!/bin/sh\necho WARNING: perf not found for kernel 5.15 >&2\nexit 2\n")
        self.refused("not found for kernel 5.15")

    def test_old_perf(self):
        with mock.patch.dict(os.environ, PERF_VERSION="5.10.1"):
            self.refused("too old")

    def test_no_xenfs(self):
        (self.root / tool.XENSYMS).unlink()
        self.refused("mount -t xenfs")

    def test_no_such_process(self):
        self.refused("no process 99", "-p", "99")

    def test_no_such_program(self):
        self.refused("no program 'nonesuch'", "--", "nonesuch", "-o")

    def test_no_such_folder(self):
        self.refused("cannot be written", "-o", "/nowhere/out.html")
        self.refused("cannot be written", "--raw", str(self.root))

    def test_no_page(self):
        def none():
            raise tool.Refusal("The page is missing.")
        with mock.patch.object(tool, "template", none):
            self.refused("page is missing")

    def test_usage(self):
        for wrong in (["-p", "1", "--", "true"], ["-p", "1", "--domains"], ["--"], ["true"],
                      ["--seconds", "0"], ["--period", "x"], ["--domains", "--no-hypervisor"]):
            status, text = self.call(*wrong)
            self.assertEqual(status, 2, text)

    def refused_mode(self, mode, error):
        """Xen does not take a mode: a patch for a while."""
        def refuse(host, asked):
            if asked == mode:
                raise OSError(error, os.strerror(error))
        return mock.patch.object(tool.Host, "set_mode", refuse)

    def test_mode_that_xen_does_not_take(self):
        with self.refused_mode("all", errno.EBUSY):
            self.refused("shut the domains down", "--domains")

    def test_mode_for_pinned_vcpus_only(self):
        with self.refused_mode("all", errno.EPERM):
            self.refused("dom0_vcpus_pin", "--domains")

    def test_mode_that_xen_does_not_take_back(self):
        with self.refused_mode("self", errno.EBUSY):
            status, text = self.call("--", "true")
        self.assertEqual(status, 1)
        self.assertIn("by hand: echo self >", text)

    def test_two_at_a_time(self):
        with tool.mode_set(tool.Host(self.root), "hv"):
            status, text = self.call("--", "true")
            self.assertEqual((status, self.mode()), (1, "hv"))
            self.assertIn("Another xen-profile", text)
        self.assertEqual(self.mode(), "self")


class Recordings(Case):

    def test_mode_is_set_and_put_back(self):
        for options, mode in ((["--", "true"], "hv"), (["--no-hypervisor", "-p", "1"], "self"),
                              (["--domains"], "all")):
            status, text = self.call(*options)
            self.assertEqual(status, 0, text)
            self.assertEqual((self.root / "recorded").read_text().strip(), mode)
            self.assertEqual(self.mode(), "self")

    def test_mode_that_is_there_already_stays(self):
        self.host({tool.MODE: "all\n"})
        self.assertEqual(self.call("--domains")[0], 0)
        self.assertEqual(self.mode(), "all")

    def test_told_to_end(self):
        for name, wanted in (("INT", 0), ("TERM", 143), ("HUP", 129)):
            with mock.patch.dict(os.environ, PERF_TELLS=name):
                status, text = self.call("--", "true")
            self.assertEqual((status, self.mode()), (wanted, "self"), text)
            self.assertEqual((self.root / "recorded").read_text().strip(), "hv")

    def test_a_nohups_hangup_is_none(self):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with mock.patch.dict(os.environ, PERF_TELLS="HUP", PERF_TAKES="0.1"):
            status, text = self.call("--", "true")
        self.assertEqual((status, self.mode()), (0, "self"), text)

    def test_told_to_end_while_reading(self):
        with mock.patch.dict(os.environ, SCRIPT_TELLS="INT"):
            status, text = self.call("--", "true")
        self.assertEqual((status, self.mode()), (130, "self"), text)
        self.assertIn("stopped", text)

    def test_perf_that_fails(self):
        with mock.patch.dict(os.environ, PERF_FAILS="1"):
            status, text = self.call("--", "true")
        self.assertEqual((status, self.mode()), (1, "self"))
        self.assertIn("recorded nothing", text)

    def test_a_bug_of_ours(self):
        with mock.patch.object(tool, "watch", side_effect=ValueError("oh")):
            status, text = self.call("--", "true")
        self.assertEqual((status, self.mode()), (1, "self"))
        self.assertIn("should not happen", text)
        self.assertNotIn("Traceback", text)

    def test_domain_of_its_own(self):
        (self.root / tool.MODE).unlink()
        self.host(DOMU)
        status, text = self.call("--", "true")
        self.assertEqual(status, 0, text)
        self.assertEqual((self.root / "recorded").read_text(), "none\n")

    def test_what_is_printed(self):
        raw = self.root / "raw.txt"
        status, text = self.call("--raw", str(raw), "--", "true")
        self.assertEqual(status, 0, text)
        self.assertIn("33.3 % user, 33.4 % kernel, 33.3 % hypervisor", text)
        self.assertRegex(text, r"33\.3 % +1 +user +hot\n")
        self.assertRegex(text, r"33\.3 % +1 +hypervisor +lstar_enter\n")
        self.assertEqual(raw.read_text().count("prog"), 2)
        self.assertNotIn("without a mark", text)
        self.assertIn("Xen 4.17.5", (self.root / "out.html").read_text())

    def test_a_kernel_that_does_not_know_xens_samples(self):
        self.program("perf", PERF.replace(":7  7 G", "prog  7 U"))
        status, text = self.call("--", "true")
        self.assertEqual(status, 0, text)
        self.assertIn("1 samples of Xen came without a mark", text)

    def test_report(self):
        machine = os.uname_result(("Linux", "secret", "6.1.0", "#1", "x86_64"))
        with mock.patch.object(tool.os, "uname", lambda: machine):
            status, text = self.call("--report")
        self.assertEqual(status, 0)
        for words in ("Xen 4.17.5", "perf version 6.1.99", "dom0", "vendor_id: AuthenticAMD",
                      "pmu_mode: self"):
            self.assertIn(words, text)
        self.assertNotIn("secret", text)


class Domains(unittest.TestCase):

    SCRIPT = """\
dd    5 [001] K xen:xen_pmu_sample: domain=32752 vcpu=1 pcpu=1 ip=0x1234 mode=user delayed=0\n
my dd    5 [001] U         cycles: \n\t    1234 hot\n\t    1200 main\n
swapper     0 [001] K xen:xen_pmu_sample: domain=2 vcpu=0 pcpu=1 ip=0xffffffff81000020 mode=kernel delayed=0
\tffffffff81000099 take_sample\n
:0     0 [001] G         cycles: \n\tffffffff81000020 [unknown]\n
swapper     0 [000] K xen:xen_pmu_sample: domain=1 vcpu=0 pcpu=0 ip=0x55 mode=user delayed=0\n
:0     0 [000] KGg       cycles: \n\t     55 [unknown]\n
:0     0 [000] KGg       cycles: \n\t     55 [unknown]\n
:0     0 [000] G         cycles: \n\tffff82d040200000 common/x.c#schedule\n
"""

    def test_stacks(self):
        stacks = tool.fold_domains(tool.samples(self.SCRIPT.splitlines()), {0: "Domain-0", 1: "one"})
        self.assertEqual(stacks, {
            ("Domain-0", ":my dd", "u:main", "u:hot"): 1,
            ("domain 2", "k:[kernel]"): 1,
            ("one", "u:[user]"): 1,
            ("other domains", "u:[user]"): 1,
            ("Xen", "h:schedule"): 1,
        })
        self.assertEqual(tool.shares(stacks), {"user": 60, "kernel": 20, "hypervisor": 20})
        profile = tool.Profile("", "", stacks, domains=True)
        self.assertIn((1, "one, user", "[user]"), tool.hottest(profile))
        self.assertIn('<span class="domain" style="width:20.0%" title="20.0 % one">',
                      tool.page("$title$about$sections$data", "", "", [profile]))


if __name__ == "__main__":
    unittest.main()
