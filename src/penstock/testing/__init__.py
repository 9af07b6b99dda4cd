"""What a store or an engine must promise, as test classes that any implementation of a port can be held to.

Subclass one in your own tests and give it the one fixture that its docstring names:

    class TestMyStore(ArtifactStoreContract):
        @pytest.fixture
        def opener(self, tmp_path):
            return partial(MyStore, tmp_path)
"""

from penstock.testing.artifact_store import ArtifactStoreContract
from penstock.testing.engine import EngineContract
from penstock.testing.isolated_engine import IsolatedEngineContract
from penstock.testing.metadata_store import MetadataStoreContract
from penstock.testing.online_store import OnlineStoreContract
from penstock.testing.online_tiles import OnlineTilesContract
from penstock.testing.sweeper import SweeperContract

__all__ = [
    "ArtifactStoreContract",
    "EngineContract",
    "IsolatedEngineContract",
    "MetadataStoreContract",
    "OnlineStoreContract",
    "OnlineTilesContract",
    "SweeperContract",
]
