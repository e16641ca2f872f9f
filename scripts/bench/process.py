"""What the processes of a server use, all together. Linux only.

    process.py cpu PID...    CPU time in ms: user and system, of all threads, also of those that have ended
    process.py peak PID...   the highest PSS in KiB, of samples every 20 ms until stdin ends

PSS is the resident set, but a page that processes share counts for each of them only in part. So the processes' sum
counts it once.
"""

import select
import sys
import time

SAMPLE_SECONDS = 0.02


def cpu_ms(pids):
    # The clock that clock_getcpuclockid(3) returns for a process; /proc/PID/stat only has ticks of 10 ms.
    return sum(1000 * time.clock_gettime(~pid << 3 | 2) for pid in pids)


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total


def peak_pss_kib(pids):
    peak = pss_kib(pids)
    while not select.select([sys.stdin], [], [], SAMPLE_SECONDS)[0]:
        peak = max(peak, pss_kib(pids))
    return peak


def main():
    what, pids = sys.argv[1], [int(pid) for pid in sys.argv[2:]]
    if what == "cpu":
        print(f"{cpu_ms(pids):.3f}")
    else:
        print(peak_pss_kib(pids))


if __name__ == "__main__":
    main()
