"""A plugin for a run whose API server will not answer: ``-p tests.contract.existing.impatient``.

What such a run does is the same with every limit; with the usual ones it takes minutes.
"""

from dataclasses import replace

from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.limits import DEFAULT_LIMITS

#: A call to a server that does answer takes hundredths of a second.
LIMITS = replace(DEFAULT_LIMITS, api_call=5.0)

assert KubernetesCluster.__init__.__kwdefaults__["limits"] == DEFAULT_LIMITS
KubernetesCluster.__init__.__kwdefaults__["limits"] = LIMITS
