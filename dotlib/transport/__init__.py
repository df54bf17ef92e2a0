"""The paper: Algorithms 1 to 3 (`dot`), the constants they divide by (`lipschitz`); costs of features (`embedding`)."""

from dotlib.transport.dot import LATENT_SGD as LATENT_SGD
from dotlib.transport.dot import SGD as SGD
from dotlib.transport.dot import TARGET_ADAM as TARGET_ADAM
from dotlib.transport.dot import VARIANTS as VARIANTS
from dotlib.transport.dot import Adam as Adam
from dotlib.transport.dot import Optimizer as Optimizer
from dotlib.transport.dot import Trajectory as Trajectory
from dotlib.transport.dot import Variant as Variant
from dotlib.transport.dot import latent_dot as latent_dot
from dotlib.transport.dot import target_dot as target_dot
from dotlib.transport.embedding import NullShare as NullShare
from dotlib.transport.embedding import RowSpace as RowSpace
from dotlib.transport.embedding import embedded as embedded
from dotlib.transport.embedding import null_share as null_share
from dotlib.transport.lipschitz import LipschitzEstimate as LipschitzEstimate
from dotlib.transport.lipschitz import class_constants as class_constants
from dotlib.transport.lipschitz import latent_constant as latent_constant
from dotlib.transport.lipschitz import target_constant as target_constant
