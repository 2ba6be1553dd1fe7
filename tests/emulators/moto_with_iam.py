"""moto's server, without its check of signatures: moto works a signature out of a form's fields and not of its text, so that it calls right ones
wrong where a value has a space. What a user may do it asks all the same, from the moment on that POST /moto-api/reset-auth names."""

from moto.iam.access_control import IAMRequestBase
from moto.server import main

IAMRequestBase.check_signature = lambda self: None

if __name__ == "__main__":
    main()
