import pytest

from benchmarks.coarsening import compare


def test_the_coarsening_benchmark_prints_times_ratios_and_equal_hashes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare.main(compare.Options(graphs=("mesh",), rounds=1, threads=(1, 2), specification=True))
    output = capsys.readouterr().out
    hashes = [line.split()[0] for line in output.splitlines() if line.endswith("threads")]
    assert len(hashes) == 2
    assert len(set(hashes)) == 1
    assert f"{hashes[0]}  specification" in output
    ours = [line.split() for line in output.splitlines() if "multiscale_gcn" in line]
    assert [line[-1] for line in ours] == ["1.00", "1.00"]
    assert "times the input's arrays" in output
