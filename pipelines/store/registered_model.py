"""How MLflow runs a registered model: the code that is stored beside the model's plain files.

Belongs here: the adapter from MLflow's `pyfunc` to `pipelines.forecast.models`. MLflow executes this file when it
loads a model ("models from code"), so no pickle is involved.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import mlflow.pyfunc

if TYPE_CHECKING:
    import pandas as pd


class RegisteredModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Feature rows in, the columns p_home, p_draw, p_away out."""

    def load_context(self, context: Any) -> None:
        """Read the model's files."""
        import importlib

        # By name: `store` must not depend on `forecast` when the registry itself is imported.
        models = importlib.import_module("pipelines.forecast.models")
        self.model = models.MODELS[context.model_config["recipe"]].read(Path(context.artifacts["files"]))

    def predict(self, context: Any, model_input: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Probabilities in the order home, draw, away; one row per row of `model_input`."""
        import pandas as pd

        from pipelines.forecast.contract import PROBABILITIES

        return pd.DataFrame(self.model.predict_proba(model_input), columns=list(PROBABILITIES), index=model_input.index)


mlflow.models.set_model(RegisteredModel())
