"""Several agents of one namespace: certificates, policy and members, as the operator would give them."""

import subprocess
import uuid

import yaml

from agents import ConfiguredAgent

TRUST_DOMAIN = "test.local"


def openssl(*arguments, **options):
    subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True, text=True, **options
    )


class Authority:
    """A CA that signs agents."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj", "/CN=test CA"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def sign(self, folder, service_account, pod_uid):
        """Leaves tls.crt and tls.key in the folder."""
        uri = f"spiffe://{TRUST_DOMAIN}/ns/shop/sa/{service_account}/pod/{pod_uid}"
        extensions = folder / "extensions"
        extensions.write_text(
            f"subjectAltName=critical,URI:{uri}\n"
            "basicConstraints=critical,CA:FALSE\n"
            "keyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth,clientAuth\n"
        )
        openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", folder / "tls.key", "-out", folder / "tls.csr", "-subj", "/"),
        )
        openssl(
            *("x509", "-req", "-in", folder / "tls.csr", "-CA", self.certificate),
            *("-CAkey", self.key, "-CAcreateserial", "-days", "1", "-extfile", extensions),
            *("-out", folder / "tls.crt"),
        )


class PeerAgent(ConfiguredAgent):
    """An agent with a peer listener, which a Namespace tells of the others."""

    def __init__(self, folder, authority, service_account):
        super().__init__(folder)
        self.pod_uid = str(uuid.uuid4())
        self.service_account = service_account
        authority.sign(self.folder, service_account, self.pod_uid)
        self.config["identity"].update(
            podName=self.folder.name, podUid=self.pod_uid, serviceAccount=service_account
        )
        self.config["listeners"]["peer"] = {"addresses": ["127.0.0.1"], "port": self.ports["peer"]}
        self.config["local"].update(
            certificateFile=str(self.folder / "tls.crt"),
            keyFile=str(self.folder / "tls.key"),
            caFile=str(authority.certificate),
        )
        self.members = {}

    def write_members(self):
        draft = self.folder / "members.new"
        draft.write_text(yaml.safe_dump(self.members))
        draft.rename(self.folder / "members.yaml")


class Namespace:
    """Agents that serve the same queues, in mode Peers."""

    def __init__(self, folder, names, queues=("orders",), starts=True):
        self.authority = Authority(folder / "authority")
        self.queues = queues
        self.starts = starts
        self.agents = {
            name: PeerAgent(folder / name, self.authority, service_account=name) for name in names
        }
        for agent in self.agents.values():
            agent.policy["queues"] = [
                {"uid": f"uid-{queue}", "generation": 1, "name": queue} for queue in queues
            ]
        self.tell()

    def __getitem__(self, name):
        return self.agents[name]

    def __enter__(self):
        if self.starts:
            for agent in self.agents.values():
                agent.start()
        return self

    def __exit__(self, *_):
        for agent in self.agents.values():
            agent.__exit__()

    def tell(self, seen_by=None, draining=()):
        """Everybody serves every queue, and may pull and receive it, unless it is draining.

        seen_by: {one: {other: port}}, where the one finds the other on another port.
        """
        for viewer, agent in self.agents.items():
            agent.members = self._members((seen_by or {}).get(viewer, {}), draining)
            agent.write_members()

    def _members(self, ports, draining):
        uids = [agent.pod_uid for agent in self.agents.values()]
        receivers = [agent.pod_uid for name, agent in self.agents.items() if name not in draining]
        return {
            "schemaVersion": 1,
            "namespace": "shop",
            "agents": [
                {
                    "podUid": agent.pod_uid,
                    "podName": name,
                    "address": "127.0.0.1",
                    "port": ports.get(name, agent.ports["peer"]),
                    "serviceAccount": agent.service_account,
                    "draining": name in draining,
                }
                for name, agent in self.agents.items()
            ],
            "queues": [
                {"uid": f"uid-{queue}", "servedBy": uids, "mayPull": uids, "mayReceive": receivers}
                for queue in self.queues
            ],
        }
