# SPDX-License-Identifier: Apache-2.0
"""verdicts.py NAME…: runs modules or classes of CPython's own tests, "test_os" or "test_socket.BasicTCPTest", in the
working directory. The file "verdicts" gets a line for each test, "VERDICT NAME"; below it stands, indented, why a test
failed or was skipped. No resource (network, audio, large files) is enabled, as in a plain `python3 -m test`."""
import os
import sys
import tempfile
import unittest

from test import support
from test.support import os_helper


class Verdicts(unittest.TestResult):
    def __init__(self, file):
        super().__init__()
        self.file = file
        self.process = os.getpid()

    # A child that a test has forked is to execute a program, or to end. Where it can't, it comes back with an error,
    # and would run the rest of the tests once more, in the same directory.
    def write(self, verdict, name, reason=""):
        if os.getpid() != self.process:
            os._exit(126)
        print(verdict, name, file=self.file)
        for line in reason.splitlines():
            print("    " + line, file=self.file)
        self.file.flush()

    def write_error(self, verdict, test, error):
        self.write(verdict, test.id(), self._exc_info_to_string(error, test))

    def addSuccess(self, test):
        self.write("ok", test.id())

    def addError(self, test, error):
        self.write_error("error", test, error)

    def addFailure(self, test, error):
        self.write_error("failure", test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.write_error("failure", test, error)

    def addSkip(self, test, reason):
        self.write("skip", test.id(), reason)

    def addExpectedFailure(self, test, error):
        self.write("expected", test.id())

    def addUnexpectedSuccess(self, test):
        self.write("unexpected", test.id())


# Run by root, these set the machine's clock and name, and write into the system's folders.
LEFT_OUT = {
    "test.test_socket.GeneralModuleTests.test_sethostname",
    "test.test_time.TimeTestCase.test_monotonic_settime",
    "test.test_zipfile.PyZipFileTests.test_write_filtered_python_package",
    "test.test_zipfile.PyZipFileTests.test_write_pyfile",
    "test.test_zipfile.PyZipFileTests.test_write_python_package",
    "test.test_zipfile.PyZipFileTests.test_write_with_optimization",
}


def choose(suite):
    if not isinstance(suite, unittest.TestSuite):
        return suite
    return unittest.TestSuite(choose(part) for part in suite
                              if isinstance(part, unittest.TestSuite) or part.id() not in LEFT_OUT)


def run(name, result):
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
    except unittest.SkipTest as skip:
        result.write("skip", name, str(skip))
    except Exception as error:
        result.write("error", name, repr(error))
    else:
        choose(suite).run(result)
        support.gc_collect()


def main():
    support.use_resources = []
    with open("verdicts", "w", encoding="utf-8", errors="backslashreplace") as file:
        os.mkdir("tmp")
        os.environ["TMPDIR"] = tempfile.tempdir = os.path.abspath("tmp")
        with os_helper.temp_cwd("work"):
            for name in sys.argv[1:]:
                run(name, Verdicts(file))


if __name__ == "__main__":
    main()
