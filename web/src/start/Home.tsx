/** The first page: begin a design, or go on with one. */
import { Button, CloseButton, FileButton, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconFileImport, IconSearch, IconTrash } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useCreateProject, useImport } from "../api/changes";
import { useProjects } from "../api/queries";
import type { GalleryPicture, Tree } from "../api/types";
import { ProjectGrid } from "../projects/ProjectGrid";
import { go } from "../routes";
import { Bar } from "../theme/Bar";
import { Empty, Failure, Loading, tellError } from "../theme/Notices";
import { isArchive, refusal, useFiles } from "./files";
import classes from "./Home.module.css";
import { Start } from "./Start";
import { rememberSuggestions } from "./suggestions";

const open = (tree: Tree) =>
  go({ kind: "project", project: tree.project.id, node: tree.project.root_id, compare: null });

function useBeginnings() {
  const create = useCreateProject();
  const bring = useImport();
  const picture = (file: File) => {
    const no = refusal(file);
    if (no) return tellError(new Error(no));
    create.mutate({ picture: file }, { onSuccess: open, onError: tellError });
  };
  const gallery = ({ name, title, suggestions }: GalleryPicture) =>
    create.mutate(
      { gallery: name, title },
      {
        onSuccess: (tree) => {
          rememberSuggestions(tree.project.id, suggestions);
          open(tree);
        },
        onError: tellError,
      },
    );
  const archive = (file: File) => bring.mutate(file, { onSuccess: open, onError: tellError });
  return { picture, gallery, archive, busy: create.isPending || bring.isPending, importing: bring.isPending };
}

export function Home({ trashed }: { trashed: boolean }) {
  const [search, setSearch] = useState("");
  const [settled] = useDebouncedValue(search.trim(), 250);
  const projects = useProjects(settled, trashed);
  const begin = useBeginnings();
  const over = useFiles((files) => {
    const [file] = files;
    if (file) (isArchive(file) ? begin.archive : begin.picture)(file);
  });
  useEffect(() => {
    document.title = trashed ? "Trash · Retouch" : "Retouch";
  }, [trashed]);
  const items = projects.data?.pages.flatMap((page) => page.items) ?? [];
  const first = !trashed && settled === "" && projects.isSuccess && items.length === 0;
  return (
    <div className={classes.page} data-over={over}>
      <Bar>
        {!first && (
          <TextInput
            className={classes.search}
            aria-label={trashed ? "Search the trash" : "Search designs by title or by what was asked"}
            placeholder="Search titles and instructions"
            leftSection={<IconSearch size={16} />}
            rightSection={
              search && <CloseButton size="sm" aria-label="Clear the search" onClick={() => setSearch("")} />
            }
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
        )}
      </Bar>
      <main className={classes.main}>
        {projects.isPending && <Loading what="Reading your designs" />}
        {projects.isError && <Failure error={projects.error} retry={() => void projects.refetch()} />}
        {projects.isSuccess && !trashed && settled === "" && (
          <Start first={first} busy={begin.busy} onPicture={begin.picture} onGallery={begin.gallery} />
        )}
        {projects.isSuccess && (
          <section className={classes.designs} aria-label={trashed ? "Trash" : "Designs"}>
            <div className={classes.head}>
              {!first && <h1>{trashed ? "Trash" : settled ? `Found for “${settled}”` : "Your designs"}</h1>}
              <span className={classes.space} />
              {!trashed && (
                <FileButton accept=".zip,application/zip" onChange={(file) => file && begin.archive(file)}>
                  {(button) => (
                    <Button
                      variant="subtle"
                      color="gray"
                      size="compact-sm"
                      loading={begin.importing}
                      leftSection={<IconFileImport size={16} />}
                      {...button}
                    >
                      Import a design
                    </Button>
                  )}
                </FileButton>
              )}
              <Button
                component="a"
                href={trashed ? "#/" : "#/trash"}
                variant="subtle"
                color="gray"
                size="compact-sm"
                leftSection={trashed ? undefined : <IconTrash size={16} />}
              >
                {trashed ? "Back to designs" : "Trash"}
              </Button>
            </div>
            <ProjectGrid projects={items} trashed={trashed} />
            {items.length === 0 && trashed && (
              <Empty title="The trash is empty">
                Designs that you throw away lie here until you delete them for good.
              </Empty>
            )}
            {items.length === 0 && settled !== "" && (
              <Empty
                title={`Nothing found for “${settled}”`}
                action={
                  <Button variant="default" onClick={() => setSearch("")}>
                    Clear the search
                  </Button>
                }
              >
                Search for a part of a title, or of anything that was asked in a design.
              </Empty>
            )}
            {projects.hasNextPage && (
              <Button
                variant="default"
                className={classes.more}
                loading={projects.isFetchingNextPage}
                onClick={() => void projects.fetchNextPage()}
              >
                Show more
              </Button>
            )}
          </section>
        )}
      </main>
      {over && <div className={classes.over}>Drop to begin a design with it</div>}
    </div>
  );
}
