"""Certificates of a cluster: one authority, ECDSA P-256 throughout.

ECDSA because an RSA key takes the API server a second longer to make or check
than everything else it does with certificates at its start.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from svcproof.clusters.embedded.plan import ClusterPlan

__all__ = ["write_pki"]

_VALID = datetime.timedelta(days=365)
_CLOCK_SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def write_pki(plan: ClusterPlan, directory: Path) -> None:
    """Write all keys and certificates of a cluster into a new directory, mode 0700.

    ``ca.crt``; ``NAME.crt`` and ``NAME.key`` for ``apiserver`` and ``kubelet-NODE``
    (serving) and for ``admin``, ``apiserver-kubelet-client``, ``kube-controller-manager``,
    ``kube-scheduler``, ``kube-proxy`` and ``node-NODE`` (clients; user and group are
    those that the built-in RBAC rules are bound to); ``service-accounts.key`` and ``.pub``.
    """
    directory.mkdir(mode=0o700, parents=True)
    authority = _make_authority()
    _write(directory / "ca.crt", _pem(authority.certificate))
    names = ["localhost", "kubernetes"]
    names += [f"kubernetes.default{suffix}" for suffix in ("", ".svc", ".svc.cluster.local")]
    addresses = [family.control_plane for family in plan.families]
    addresses += [family.kubernetes_service for family in plan.families]
    _issue(
        authority,
        directory,
        "apiserver",
        "kube-apiserver",
        names=[*names, "127.0.0.1", "::1", *addresses],
    )
    _issue(authority, directory, "admin", "admin", group="system:masters")
    _issue(authority, directory, "apiserver-kubelet-client", "apiserver", group="system:masters")
    for component in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        _issue(authority, directory, component, f"system:{component}")
    for node in plan.nodes:
        user = f"system:node:{node.name}"
        _issue(authority, directory, f"node-{node.name}", user, group="system:nodes")
        _issue(
            authority, directory, f"kubelet-{node.name}", user, names=[node.name, *node.addresses]
        )
    _write_service_account_keys(directory)


def _make_authority() -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "svcproof cluster authority")])
    builder = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _Authority(builder.sign(key, hashes.SHA256()), key)


def _issue(
    authority: _Authority,
    directory: Path,
    file_name: str,
    user: str,
    *,
    group: str = "",
    names: Sequence[str] = (),
) -> None:
    """One certificate: for a server when it has names, for a client when it has none."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _builder(x509.Name(attributes), authority.certificate.subject, key).add_extension(
        x509.ExtendedKeyUsage([usage]), critical=False
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    _write(directory / f"{file_name}.crt", _pem(certificate))
    _write(directory / f"{file_name}.key", _private_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALID)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_service_account_keys(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _write(directory / "service-accounts.key", _private_pem(key))
    _write(
        directory / "service-accounts.pub",
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
