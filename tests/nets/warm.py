"""What the fork server of the nets imports once: all of the product, so that each command starts at once."""

from tests.nets.product import import_everything

import_everything()
