"""The benchmarks behind `scripts/bench`: each figure beside a yardstick that was measured in the same run, in turns."""
