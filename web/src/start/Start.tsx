/** Begin a design: drop a picture, choose a file, or take a room of the gallery. */
import { FileButton, Loader } from "@mantine/core";
import { IconPhotoPlus } from "@tabler/icons-react";
import { galleryOf } from "../api/addresses";
import { useGallery } from "../api/queries";
import type { GalleryPicture } from "../api/types";
import { pictureTypes } from "./files";
import classes from "./Start.module.css";

interface Props {
  first: boolean;
  busy: boolean;
  onPicture: (file: File) => void;
  onGallery: (picture: GalleryPicture) => void;
}

function Drop({ busy, onPicture }: Pick<Props, "busy" | "onPicture">) {
  return (
    <FileButton accept={pictureTypes.join(",")} onChange={(file) => file && onPicture(file)}>
      {(button) => (
        <button type="button" className={classes.drop} disabled={busy} {...button}>
          {busy ? <Loader size="sm" type="dots" /> : <IconPhotoPlus size={28} stroke={1.4} />}
          <span className={classes.dropTitle}>{busy ? "Opening your picture …" : "Drop a picture here"}</span>
          <span className={classes.dropHint}>or choose a file, or paste one. PNG, JPEG, WebP.</span>
        </button>
      )}
    </FileButton>
  );
}

function Room({ picture, busy, onGallery }: { picture: GalleryPicture } & Pick<Props, "busy" | "onGallery">) {
  return (
    <button type="button" className={classes.room} disabled={busy} onClick={() => onGallery(picture)}>
      <img
        src={galleryOf(picture.name)}
        alt=""
        width={picture.width}
        height={picture.height}
        loading="lazy"
      />
      <span className={classes.roomTitle}>{picture.title}</span>
      {picture.suggestions[0] && (
        <span className={`words ${classes.roomHint}`}>{picture.suggestions[0]}</span>
      )}
    </button>
  );
}

export function Start({ first, busy, onPicture, onGallery }: Props) {
  const gallery = useGallery();
  return (
    <section className={classes.start} data-first={first} aria-label="Begin a design">
      {first ? (
        <div className={classes.hello}>
          <h1>Which room are we changing?</h1>
          <p>
            Drop in a picture, or begin with one of these rooms. Then say what should change. Every version is
            kept, and you can go on from any of them.
          </p>
        </div>
      ) : (
        <h2 className={classes.heading}>New design</h2>
      )}
      <div className={classes.choices}>
        <Drop busy={busy} onPicture={onPicture} />
        {gallery.data?.map((picture) => (
          <Room key={picture.name} picture={picture} busy={busy} onGallery={onGallery} />
        ))}
      </div>
      {gallery.error && (
        <p className={classes.dropHint}>The gallery could not be read: {gallery.error.message}</p>
      )}
    </section>
  );
}
