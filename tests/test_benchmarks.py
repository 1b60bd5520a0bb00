from pathlib import Path

import pytest

from benchmarks.coarsening import bodies, compare, out_of_core, spectral, supersteps
from benchmarks.nn import parts


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


def test_the_spectral_benchmark_prints_an_error_for_every_method(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spectral.main(["karate"])
    missing, head, *lines = capsys.readouterr().out.splitlines()
    assert missing == "left out: Loukas' library: say --loukas FOLDER"
    assert head.split()[3:] == list(spectral.METHODS)
    assert [line.split()[:3] for line in lines] == [["karate", "34", "17"], ["karate", "34", "9"]]
    assert all(len(line.split()) == 3 + len(spectral.METHODS) for line in lines)
    assert spectral.why_left_out("nowhere") in (
        "pygsp cannot be imported",
        "graph_coarsening cannot be imported",
    )


def test_centroidal_clusters_of_a_body_are_as_compact_as_lloyds_and_balanced() -> None:
    body = bodies.Body()
    levels = bodies.METHODS["centroidal"](body)
    for size in bodies.SIZES:
        area, apart, radius = body.measured(levels[size])
        assert levels[size].max() == size - 1
        assert area <= 1.4
        assert apart == 0
        assert radius <= 1.15 * body.measured(bodies.lloyd(body, size))[2]


def test_the_benchmark_of_bodies_prints_a_row_for_each_method(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bodies.main(["default", "METIS"])
    head, names, default, metis = capsys.readouterr().out.splitlines()
    assert head.startswith("13348 vertices")
    assert names.split()[0] == "method"
    assert default.split()[1:4] == ["5.70", "0", "94.7"]
    assert metis.startswith("METIS")


def test_the_benchmark_of_supersteps_prints_speed_bytes_and_where_the_time_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    supersteps.main(
        ["--graphs", "path", "--sizes", "64", "--partitions", "2", "--rounds", "1", "--stages"]
    )
    _, in_memory, divided, *stages = capsys.readouterr().out.splitlines()
    assert in_memory.split()[:4] == ["path", "63", "in", "memory"]
    assert divided.split()[:3] == ["path", "63", "2"]
    assert [line.split()[0] for line in stages][:2] == ["describe", "look"]
    assert [line.split()[0] for line in stages][-1] == "write"


def test_a_plan_adds_up_what_was_measured() -> None:
    terms = supersteps.Terms(seconds=1e-7, sent=5.0, supersteps=10, nodes=0.1, ghosts=2.0)
    machines = supersteps.Machines(count=10, cores=10, network=1e9, latency=0.5)
    told = supersteps.plan(1e9, terms, machines)
    assert "1.0 s of work +     0.5 s of mail +    5 s between 10 supersteps" in told
    assert "5.00 GB sent" in told
    assert "refused" in supersteps.plan(1e11, terms, machines)


@pytest.mark.parametrize(
    ("what", "graph"), [("step", "grid"), ("read", "rmat"), ("hierarchy", "grid")]
)
def test_the_benchmark_of_graphs_on_disk_prints_a_row(
    what: str, graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb", reason="the extra outofcore is not installed")
    out_of_core.main(
        [what, "--graph", graph, "--edges", "200", "--sizes", "20", "--memory", "10MB",
         "--folder", str(tmp_path)]
    )  # fmt: skip
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["M", "edges", "s"]
    assert row.split()[0] == graph
    assert len(row.split()) == 9
    assert not list(tmp_path.iterdir())


def test_the_benchmark_of_parts_prints_steps_halo_and_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb")
    given = ["--folder", str(tmp_path), "--nodes", "2500", "--parts", "4", "--steps", "2"]
    parts.main(parts.arguments([*given, "--shares", "2", "--memory", "100MB"]))
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("k = ")).split()[:4] == [
        "k", "=", "2:", "1250"
    ]  # fmt: skip
    assert [line.split(":")[0] for line in lines if line.startswith("step")] == ["step 0", "step 1"]
    assert lines[-1].startswith("process 0: 2 steps in ")
