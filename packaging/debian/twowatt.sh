#!/bin/sh
# twowatt with the Node runtime that it was tested with, whatever else is installed here.
exec /usr/lib/twowatt/bin/node /usr/lib/twowatt/bin/twowatt.js "$@"
