"""A stand-in for a Kubernetes cluster of one node: what answers the real Python client, and runs the pods of Jobs as processes.

It stands for a cluster, which cannot be had from package registries. What it does as a cluster would: HTTPS with a certificate
of its own, tokens of service accounts and their Roles, Kubernetes' published schemas (strict), the API's Status objects, one pod
for a Job, variables from Secrets, claims and the account's token in a mount namespace of the pod's own, states and exit codes,
SIGTERM and SIGKILL when a pod is deleted. What it does not show: that an image can be built, pulled and started as another user
than root (this checkout stands in the image's place), scheduling, limits of memory, disks and networks between machines,
watching, the collection of what has an owner or is over its time, admission by policies, and whatever else a cluster refuses
beyond its schemas. Needs Linux and root.
"""

import base64
import ctypes
import datetime
import ipaddress
import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import kubernetes
import kubernetes_validate
import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Object: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str, str]
"""Resource, namespace, name."""

VERSION = "1.36"
"""The client's own."""
ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|[KMGTPE]i?)?")
PATH_OF = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/v1)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[a-z]+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<part>status|log))?)?"
)
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 1 << 18


def is_possible() -> bool:
    """Whether this account may make mount namespaces."""
    try:
        return (
            subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode == 0
        )
    except OSError:
        return False


class Refused(Exception):
    """What the API answers instead."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code = code
        self.status = {
            **{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"},
            **{"message": message, "reason": reason, "code": code},
        }


@dataclass
class Running:
    """A pod's process."""

    process: "subprocess.Popen[bytes]"
    log: Path
    verdict: Object = field(default_factory=dict)
    """Of a pod that was killed by its node: what to say of it."""


class Cluster:
    """The objects, the server that answers about them, and the node."""

    def __init__(self, folder: Path, image: str) -> None:
        """Lay out an empty cluster, on which `image` is this checkout; files of pods and claims go to `folder`."""
        self.folder, self.image = folder, image
        self.objects: dict[Key, Object] = {}
        self.requests: list[tuple[str, str, str, str]] = []
        """Account, verb, group and resource of what was answered."""
        self.posted: list[Object] = []
        """The Jobs that were taken, as they came."""
        self._tokens = {secrets.token_hex(16): "admin"}
        self._running: dict[Key, Running] = {}
        self._changed = threading.Condition(threading.RLock())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        certificate, key = _certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        # The handshake belongs to the thread that answers, not to the one that accepts.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._certificate = certificate
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        """What a node tells every container of where the API is."""
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self._server.server_port)}

    def admin(self) -> kubernetes.client.ApiClient:
        """A client that may do everything."""
        configuration = type.__call__(kubernetes.client.Configuration)  # not a copy of what somebody made the default
        configuration.host = f"https://127.0.0.1:{self._server.server_port}"
        configuration.ssl_ca_cert = str(self._certificate)
        configuration.api_key["BearerToken"] = f"bearer {next(iter(self._tokens))}"
        return kubernetes.client.ApiClient(configuration)

    def stop(self) -> None:
        """End everything at once."""
        self._server.shutdown()
        self._server.server_close()
        with self._changed:
            left = list(self._running.values())
        for each in left:
            _kill(each)
            each.process.wait(10)

    def wait_for(self, condition: Callable[[], Any], seconds: float = 120) -> Any:
        """What the condition says once it says something; it is asked anew whenever a pod begins or ends, and twice a second."""
        deadline = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        while datetime.datetime.now(datetime.UTC) < deadline:
            if found := condition():
                return found
            with self._changed:
                self._changed.wait(0.5)
        raise AssertionError(f"not within {seconds} s: {self.phases()}; {self.logs()[-3000:]}")

    def phases(self) -> dict[str, str]:
        """The phase of each pod by its name."""
        with self._changed:
            return {key[2]: pod["status"]["phase"] for key, pod in self.objects.items() if key[0] == "pods"}

    def logs(self) -> str:
        """What all pods wrote."""
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self.folder.glob("*.log")))

    def pods(self, step: str = "") -> list[Object]:
        """The pods that execute a step, oldest first; without one those of runs."""
        with self._changed:
            found = [each for key, each in self.objects.items() if key[0] == "pods"]
        return [each for each in found if _variables(each).get("DAGSTER_RUN_STEP_KEY", "") == step]

    # --- faults

    def evict(self, pod: Object) -> None:
        """The pod's node runs out of something and kills it: nobody is warned."""
        self._end(pod, {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}, "Error")

    def out_of_memory(self, pod: Object) -> None:
        """The container reaches its limit of memory, and the kernel kills it."""
        self._end(pod, {"phase": "Failed"}, "OOMKilled")

    def drain(self, pod: Object) -> None:
        """The pod has to leave its node: it is told so, and has its time of grace."""
        self.delete("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _end(self, pod: Object, status: Object, reason: str) -> None:
        with self._changed:
            running = self._running[_key("pods", pod)]
            running.verdict = {"status": status, "reason": reason}
        _kill(running)
        running.process.wait(10)

    # --- the API

    def answer(self, method: str, target: str, authorization: str, body: Object | None) -> tuple[int, Object | bytes]:
        """What is said to a request.

        Raises:
            Refused: what is said instead.
        """
        url = urlsplit(target)
        match = PATH_OF.fullmatch(url.path)
        if match is None:
            raise Refused(404, "NotFound", f"the server could not find the requested resource: {url.path}")
        group, namespace, resource, name, part = (
            match[each] or "" for each in ("group", "namespace", "resource", "name", "part")
        )
        account = self._tokens.get(authorization.partition(" ")[2])
        if account is None:
            raise Refused(401, "Unauthorized", "Unauthorized")
        verb = {"POST": "create", "DELETE": "delete", "GET": "get" if name else "list"}[method]
        whole = f"{resource}/{part}" if part else resource
        self._permit(account, verb, group, whole, namespace)
        self.requests.append((account, verb, group, whole))
        if method == "POST":
            return 201, self.create(resource, namespace, body or {})
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        if method == "DELETE":
            return 200, self.delete(resource, namespace, name)
        with self._changed:
            if part == "log":
                self._find(resource, namespace, name)
                text = (self.folder / f"{name}.log").read_bytes()
                return 200, b"".join(text.splitlines(keepends=True)[-int(asked.get("tailLines", 1 << 30)) :])
            if name:
                return 200, _copy(self._find(resource, namespace, name))
            items = [each for key, each in self.objects.items() if key[:2] == (resource, namespace) and _selects(asked, each)]
            return 200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": _copy(items)}

    def create(self, resource: str, namespace: str, asked: Object) -> Object:
        """Take an object, if its schema does; what a Job asks for begins."""
        try:
            kubernetes_validate.validate(asked, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(each) for each in error.path)
            raise Refused(422, "Invalid", f"{asked['kind']} is invalid: {where}: {error.message}") from error
        for where, quantity in _quantities(asked):
            if not QUANTITY.fullmatch(quantity):
                raise Refused(422, "Invalid", f"{asked['kind']} is invalid: {where}: {quantity!r} is no quantity")
        made = _copy(asked)
        made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": _now()}
        if resource == "secrets":
            plain = made.pop("stringData", {})
            made["data"] = made.get("data", {}) | {
                each: base64.b64encode(value.encode()).decode() for each, value in plain.items()
            }
        if resource != "namespaces":
            made["metadata"]["namespace"] = namespace
            self._find("namespaces", "", namespace)
        key = _key(resource, made)
        with self._changed:
            if key in self.objects:
                raise Refused(409, "AlreadyExists", f'{resource} "{key[2]}" already exists')
            self.objects[key] = made
            if resource == "jobs":
                self.posted.append(asked)
                self._begin(made)
            return _copy(made)

    def delete(self, resource: str, namespace: str, name: str) -> Object:
        """Remove an object. A pod is told to end, and is gone when it has; a Job leaves its pods."""
        with self._changed:
            found = self._find(resource, namespace, name)
            running = self._running.get((resource, namespace, name))
            if running is None:
                del self.objects[resource, namespace, name]
                return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            found["metadata"]["deletionTimestamp"] = _now()
            for first in psutil.Process(running.process.pid).children():  # which is the pod's process 1; its parent only waits
                first.terminate()
            after = threading.Timer(found["spec"].get("terminationGracePeriodSeconds", 30), _kill, [running])
            after.daemon = True
            after.start()
            return _copy(found)

    def _find(self, resource: str, namespace: str, name: str) -> Object:
        with self._changed:
            if (resource, namespace, name) not in self.objects:
                raise Refused(404, "NotFound", f'{resource} "{name}" not found')
            return self.objects[resource, namespace, name]

    def _permit(self, account: str, verb: str, group: str, resource: str, namespace: str) -> None:
        if account == "admin":
            return
        with self._changed:
            bound = {
                each["roleRef"]["name"]
                for key, each in self.objects.items()
                if key[:2] == ("rolebindings", namespace)
                and any(subject["kind"] == "ServiceAccount" and subject["name"] == account for subject in each["subjects"])
            }
            rules = [rule for name in bound for rule in self._find("roles", namespace, name)["rules"]]
        if not any(verb in rule["verbs"] and group in rule["apiGroups"] and resource in rule["resources"] for rule in rules):
            who = f'"system:serviceaccount:{namespace}:{account}"'
            raise Refused(
                403,
                "Forbidden",
                f'User {who} cannot {verb} resource "{resource}" in API group "{group}" in the namespace "{namespace}"',
            )

    # --- the node

    def account(self, name: str) -> Path:
        """What is mounted for a service account: its token and the certificate."""
        folder = self.folder / f"account-{name}"
        if not folder.exists():
            token = secrets.token_hex(16)
            self._tokens[token] = name
            folder.mkdir()
            (folder / "token").write_text(token)
            (folder / "ca.crt").write_bytes(self._certificate.read_bytes())
        return folder

    def claim(self, name: str) -> Path:
        """The disk behind a claim."""
        folder = self.folder / f"claim-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    def inside(self, account: str, mounts: Mapping[Path, Path]) -> ThreadPoolExecutor:
        """A thread that sees what a pod of `account` sees, with `mounts` of folders besides: it can be asked to call something."""
        folders = {Path(ACCOUNT_FOLDER): self.account(account), **mounts}
        return ThreadPoolExecutor(1, initializer=_enter, initargs=(folders,))

    def _begin(self, job: Object) -> None:
        """Make the pod of a Job, and start what is in it unless something is missing."""
        template, namespace = job["spec"]["template"], job["metadata"]["namespace"]
        name = f"{job['metadata']['name']}-{secrets.token_hex(3)[:5]}"
        pod = {
            **{"kind": "Pod", "apiVersion": "v1", "spec": _copy(template["spec"])},
            "metadata": {
                **{"name": name, "namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": _now()},
                "labels": {**template["metadata"]["labels"], "job-name": job["metadata"]["name"]},
            },
            "status": {"phase": "Pending", "conditions": []},
        }
        job["status"] = {"active": 1, "startTime": _now()}
        self.objects[_key("pods", pod)] = pod
        (container,) = pod["spec"]["containers"]
        try:
            command, environment = self._prepare(pod, container)
        except Refused as error:
            _say(pod, container, {"waiting": {"reason": error.status["reason"], "message": error.status["message"]}})
            return
        log = self.folder / f"{name}.log"
        home = self.folder / f"home-{name}"
        home.mkdir()
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, cwd=home, stdout=output, stderr=output, start_new_session=True)
        self._running[_key("pods", pod)] = running = Running(process, log)
        pod["status"]["phase"] = "Running"
        _say(pod, container, {"running": {"startedAt": _now()}})
        threading.Thread(target=self._follow, args=(job, pod, running), daemon=True).start()

    def _prepare(self, pod: Object, container: Object) -> tuple[list[str], dict[str, str]]:
        """The process of a container, in a mount namespace of its own, and its variables."""
        namespace, spec = pod["metadata"]["namespace"], pod["spec"]
        if container["image"] != self.image:
            raise Refused(0, "ErrImagePull", f"{container['image']}: not found")
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "HOSTNAME": pod["metadata"]["name"]}
        # As the image would have them: by which routines OpenBLAS computes decides a sum's last bit.
        environment |= {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
        environment |= self.variables | {"HOME": str(self.folder / f"home-{pod['metadata']['name']}")}
        for source in container.get("envFrom", ()):
            name = source["secretRef"]["name"]
            if ("secrets", namespace, name) not in self.objects:
                raise Refused(0, "CreateContainerConfigError", f'secret "{name}" not found')
            data = self.objects["secrets", namespace, name]["data"]
            environment |= {each: base64.b64decode(value).decode() for each, value in data.items()}
        environment |= {each["name"]: each["value"] for each in container.get("env", ())}
        self._find("serviceaccounts", namespace, spec["serviceAccountName"])
        mounts = [(self.account(spec["serviceAccountName"]), ACCOUNT_FOLDER)] if spec["automountServiceAccountToken"] else []
        volumes = {each["name"]: each["persistentVolumeClaim"]["claimName"] for each in spec.get("volumes", ())}
        for each in container.get("volumeMounts", ()):
            self._find("persistentvolumeclaims", namespace, volumes[each["name"]])
            source = self.claim(volumes[each["name"]]) / each.get("subPath", "")
            source.mkdir(exist_ok=True)
            mounts.append((source, each["mountPath"]))
        script = "".join(f"mkdir -p {path} && mount --bind {source} {path} && " for source, path in mounts)
        whole = f'mount -t tmpfs tmpfs "$(realpath /var/run)" && {script}exec "$@"'
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]
        return [*apart, whole, "sh", *container.get("command", ()), *container.get("args", ())], environment

    def _follow(self, job: Object, pod: Object, running: Running) -> None:
        """Say of the pod and its Job how the process ended."""
        ended = running.process.wait()
        code = 128 - ended if ended < 0 else ended
        (container,) = pod["spec"]["containers"]
        with self._changed:
            said = running.verdict or {
                "status": {"phase": "Failed" if code else "Succeeded"},
                "reason": "Error" if code else "Completed",
            }
            pod["status"] |= said["status"]
            _say(pod, container, {"terminated": {"exitCode": code, "reason": said["reason"], "finishedAt": _now()}})
            job["status"] = {"startTime": job["status"]["startTime"], "failed" if code else "succeeded": 1}
            del self._running[_key("pods", pod)]
            if "deletionTimestamp" in pod["metadata"]:
                del self.objects[_key("pods", pod)]
            self._changed.notify_all()


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            code: int
            said: Object | bytes
            try:
                code, said = cluster.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            except Refused as error:
                code, said = error.code, error.status
            is_text = isinstance(said, bytes)
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _any

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: pytest's output is not the place."""

    return Handler


def _enter(folders: Mapping[Path, Path]) -> None:
    """Take this thread, and nobody else, into a mount namespace with `folders` in it."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source: str, path: str, kind: str, flags: int) -> None:
        if libc.mount(source.encode(), path.encode(), kind.encode(), flags, None):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)

    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    mount("tmpfs", str(Path("/var/run").resolve()), "tmpfs", 0)
    for path, source in folders.items():
        path.mkdir(parents=True, exist_ok=True)
        mount(str(source), str(path), "none", MS_BIND)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a cluster of these tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "ca.crt", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def _kill(running: Running) -> None:
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGKILL)


def _say(pod: Object, container: Object, state: Object) -> None:
    """Say of a pod's container how it is."""
    pod["status"]["containerStatuses"] = [
        {
            **{"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0},
            **{"ready": "running" in state, "state": state},
        }
    ]


def _variables(pod: Object) -> dict[str, str]:
    return {each["name"]: each["value"] for each in pod["spec"]["containers"][0].get("env", ())}


def _quantities(asked: Object) -> list[tuple[str, str]]:
    """What a Job's containers ask for and may have, which the schemas take for any string."""
    if asked["kind"] != "Job":
        return []
    return [
        (f"spec.template.spec.containers[{number}].resources.{kind}.{name}", value)
        for number, container in enumerate(asked["spec"]["template"]["spec"]["containers"])
        for kind in ("requests", "limits")
        for name, value in container.get("resources", {}).get(kind, {}).items()
    ]


def _selects(asked: Mapping[str, str], found: Object) -> bool:
    """Whether an object is meant by a request's selectors, of labels and of fields."""
    labels = found["metadata"].get("labels", {})
    wanted = [each.partition("=") for each in asked.get("labelSelector", "").split(",") if each]
    if any(labels.get(name) != value for name, _, value in wanted):
        return False
    for each in filter(None, asked.get("fieldSelector", "").split(",")):
        path, _, value = each.partition("=")
        here: Any = found
        for name in path.split("."):
            here = here.get(name, {})
        if here != value:
            return False
    return True


def _key(resource: str, found: Object) -> Key:
    return resource, found["metadata"].get("namespace", ""), found["metadata"]["name"]


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _now() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
