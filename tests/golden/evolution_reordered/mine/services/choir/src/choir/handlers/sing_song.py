"""SingSong sings it."""

from choir.app import Context
from choir.gen.api import SingSongRequest, Song
from choir.gen.runtime import NotFound


def sing_song(request: SingSongRequest, context: Context) -> Song:
    song = context.app.songs.get(request.name)
    if song is None:
        raise NotFound(request.name)
    return song
