"""Steps in pods (EXECUTOR=k8s): what they are given, and what becomes of one whose pod is lost.

Belongs here: the executor that makes a pod for each step, from dagster-k8s, with what that lacks: it takes a lost pod for a
failed step. Does not belong here: what runs and steps have in common, which the instance's run launcher says (`deploy.programs`),
and what is done about failures that a step tells of itself (`pipelines.defs.failures`). Imported where EXECUTOR=k8s is chosen:
dagster-k8s is of the group `machines`.
"""

from typing import Any, Final

import dagster as dg
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.events import DagsterEvent
from dagster._core.execution.plan.objects import StepFailureData, StepRetryData, UserFailureData
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepDelegatingExecutor, StepHandlerContext
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.executor import K8sStepHandler
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from dagster_shared.error import SerializableErrorInfo

from pipelines.defs.failures import FailureClass, failure

LOOK_SECONDS: Final = 10
"""How often a run looks after its steps' pods: a request for each at work."""

N_RETRIES: Final = 2
"""How often a step begins anew whose pod was lost; as often as a run whose process died (`run_retries` of the instance)."""

STEP: Final = {
    "pod_spec_config": {
        # A step asks the cluster for nothing.
        "automount_service_account_token": False,
        "termination_grace_period_seconds": 5,
    },
    # The shell, as the container's first process, passes no SIGTERM on. Told that its node is being emptied, Dagster would call
    # the step failed; so it has the time of grace to end well, or is lost and begins anew elsewhere.
    "container_config": {"command": ["sh", "-c", '"$@"; exit $?', "sh"]},
}


class StepsInPods(K8sStepHandler):  # type: ignore[misc]  # dagster-k8s has no types
    """Makes a pod for each step, and another one if that is lost: evicted, deleted, or gone with its node.

    Out of memory is no loss: another pod would end the same way. That, and a pod lost for the third time, ends the step as a
    failure of the class `resource`.
    """

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Note in the run's log what is to be done about a step whose pod is no more; the executor finds it there."""
        context = step_handler_context
        (step,) = context.execute_step_args.step_keys_to_execute or ()
        known = context.execute_step_args.known_state
        n_before = known.get_retry_state().get_attempt_count(step) if known else 0
        said = self._end_of_pod(context)
        # A step that has said how it ended, in this attempt, needs no pod any more.
        of_step = context.instance.get_run_step_stats(context.execute_step_args.run_id, [step])
        if not said or any(len(each.attempts_list) > n_before for each in of_step):
            return CheckStepHealthResult.healthy()
        sentence = f"The pod of {step} is lost: {said}."
        error = SerializableErrorInfo(sentence, [], None)
        of = context.get_step_context(step)
        if n_before < N_RETRIES and "OOMKilled" not in said:
            again = StepRetryData(error, seconds_to_wait=None)  # type: ignore[no-untyped-call]
            DagsterEvent.step_retry_event(of, again)
        else:
            final = failure(FailureClass.RESOURCE, sentence)
            noted = UserFailureData("lost-pod", final.description, final.metadata)  # type: ignore[no-untyped-call]
            DagsterEvent.step_failure_event(of, StepFailureData(error, noted))  # type: ignore[no-untyped-call]
        return CheckStepHealthResult.healthy()

    def _end_of_pod(self, context: StepHandlerContext) -> str:
        """How the pod of a step ended, in the cluster's words; empty while it may yet run."""
        where = {"job_name": self._get_k8s_step_job_name(context), "namespace": self._get_container_context(context).namespace}
        status = self._api_client.get_job_status(**where)
        if status is None:
            return "its Job was deleted"
        if not status.failed and not status.succeeded:
            return ""
        said = [
            f"{pod.status.reason or each.state.terminated.reason}, exit code {each.state.terminated.exit_code}"
            for pod in self._api_client.get_pods_in_job(**where)
            for each in pod.status.container_statuses or ()
            if each.state.terminated
        ]
        return "; ".join(said) or "it was deleted"


@dg.executor(name="k8s", requirements=multiple_process_executor_requirements())
def in_pods(init_context: dg.InitExecutorContext) -> Any:
    """A pod for each step, of the image, with the variables and on the disk that the instance's run launcher says."""
    launcher = init_context.instance.run_launcher
    if not isinstance(launcher, K8sRunLauncher):
        raise dg.DagsterInvariantViolationError("EXECUTOR=k8s needs an instance whose runs are pods: `football up` writes one")
    handler = StepsInPods(
        image=None,
        container_context=K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(STEP)),
        load_incluster_config=launcher.load_incluster_config,
        kubeconfig_file=launcher.kubeconfig_file,
    )
    return StepDelegatingExecutor(
        handler,
        retries=RetryMode.ENABLED,
        check_step_health_interval_seconds=LOOK_SECONDS,
        should_verify_step=True,  # a second pod that the cluster begins by itself ends at once
    )
