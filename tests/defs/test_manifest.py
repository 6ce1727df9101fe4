"""What the dbt project's manifest tells of the way from raw rows to features."""

from typing import Any

from pipelines.defs.manifest import DbtModel, models_behind


def node(schema: str, name: str, *reads: str, kind: str = "model", **more: Any) -> dict[str, Any]:
    return {
        "schema": schema, "name": name, "resource_type": kind, "original_file_path": f"models/{name}.sql",
        "checksum": {"name": "sha256", "checksum": name[0] * 64}, "depends_on": {"nodes": list(reads)}, **more,
    }  # fmt: skip


def test_models_are_followed_from_the_features_back_to_the_raw_rows_each_once_and_no_others() -> None:
    manifest = {
        "nodes": {
            "a": node("gold", "feat_match", "b", "d"),
            "b": node("silver", "int_match_v2", "c", "s", alias="int_match"),
            "c": node("silver", "competition", kind="seed"),
            "d": node("gold", "dim_competition", "c"),
            "e": node("gold", "for_the_pages_alone", "b"),
            "t": node("gold", "a_test", "a", kind="test"),
        },
        "sources": {"s": {"schema": "bronze", "name": "raw", "identifier": "football_data_match"}},
    }
    assert models_behind(manifest) == [
        DbtModel(name, kind, f"dbt_project/models/{file}.sql", file[0] * 64, made_of)
        for name, kind, file, made_of in (
            ("gold/feat_match", "model", "feat_match", ["gold/dim_competition", "silver/int_match"]),
            ("gold/dim_competition", "model", "dim_competition", ["silver/competition"]),
            ("silver/int_match", "model", "int_match_v2", ["bronze/football_data_match", "silver/competition"]),
            ("silver/competition", "seed", "competition", []),
        )
    ]
