/*
 * A node as a JSON document shows it; cli.md names the members that stay.
 */
#include "node.h"

static void add_argv(cJSON *obj, struct mf_str list)
{
	cJSON *arr;
	struct mf_str arg;
	size_t pos = 0;

	if (!list.len)
		return;
	arr = cJSON_AddArrayToObject(obj, "argv");
	while (arr && mf_list_next(list, &pos, &arg))
		mf_json_push_str(arr, arg);
}

static void add_str(cJSON *obj, const char *name, struct mf_str s)
{
	if (s.len)
		mf_json_str(obj, name, s);
	else
		cJSON_AddNullToObject(obj, name);
}

static void add_exit(cJSON *obj, const struct mf_ending *x)
{
	cJSON *exit;

	if (!x->is_known) {
		cJSON_AddNullToObject(obj, "exit");
		return;
	}
	exit = cJSON_AddObjectToObject(obj, "exit");
	if (x->has_code)
		mf_json_i64(exit, "code", x->code);
	else
		cJSON_AddNullToObject(exit, "code");
	if (x->signo)
		mf_json_i64(exit, "signal", x->signo);
	else
		cJSON_AddNullToObject(exit, "signal");
	if (x->cause != MF_CAUSE_NONE)
		mf_json_str(exit, "cause", mf_str(mf_cause_word(x->cause)));
	else
		cJSON_AddNullToObject(exit, "cause");
	add_str(exit, "text", x->text);
	add_str(exit, "sender", x->sender);
}

static void add_usage(cJSON *obj, const struct mf_proc *proc)
{
	if (proc->cpu_us)
		mf_json_u64(obj, "cpu_ns", proc->cpu_us * 1000);
	if (proc->cpu_below_us)
		mf_json_u64(obj, "cpu_with_children_ns",
		            proc->cpu_below_us * 1000);
	if (proc->maxrss_kb)
		mf_json_u64(obj, "rss_bytes", proc->maxrss_kb * 1024);
	if (proc->python.len)
		mf_json_str(obj, "python", proc->python);
	if (proc->image && proc->image->cwd.len)
		mf_json_str(obj, "cwd", proc->image->cwd);
	if (proc->n_images > 1)
		mf_json_u64(obj, "images", proc->n_images);
	if (proc->n_threads)
		mf_json_u64(obj, "threads", proc->n_threads);
	if (proc->n_asyncs) {
		mf_json_u64(obj, "asyncs", proc->n_asyncs);
		mf_json_u64(obj, "asyncs_open", proc->n_asyncs_open);
		mf_json_u64(obj, "asyncs_failed", proc->n_asyncs_failed);
	}
	mf_json_u64(obj, "stdout_bytes", proc->tail[1].total + proc->excess[1]);
	mf_json_u64(obj, "stderr_bytes", proc->tail[2].total + proc->excess[2]);
	if (proc->excess[1] || proc->excess[2])
		mf_json_u64(obj, "not_kept_bytes",
		            proc->excess[1] + proc->excess[2]);
}

void mf_stream_json(cJSON *obj, const struct mf_stream *stream)
{
	struct mf_stream_counts n;

	mf_stream_count(stream, &n);
	mf_json_str(obj, "stream", stream->id);
	mf_json_u64(obj, "generations", n.generations);
	mf_json_u64(obj, "sent", n.sent);
	mf_json_u64(obj, "received", n.received);
	mf_json_u64(obj, "lost", n.lost);
	mf_json_u64(obj, "sent_bytes", n.sent_bytes);
	mf_json_u64(obj, "received_bytes", n.received_bytes);
	mf_json_u64(obj, "refused_writes", n.refused);
	mf_json_u64(obj, "cut_writes", n.cut);
}

static void add_fork(cJSON *obj, const struct mf_proc *proc)
{
	mf_json_str(obj, "fork",
	            mf__is_parallel_map(proc) ? MF_STR("parallel_map")
	            : proc->mp_name.len || proc->n_images
	                    ? MF_STR("multiprocessing")
	                    : MF_STR("plain"));
	if (proc->fork_function.len)
		mf_json_str(obj, "forked_by", proc->fork_function);
	if (proc->fork_child.len)
		mf_json_str(obj, "forked_for", proc->fork_child);
	if (proc->mp_function.len)
		mf_json_str(obj, "function", proc->mp_function);
}

static void add_details(cJSON *obj, const struct mf_node *node)
{
	const struct mf_proc *proc = node->proc;

	if (proc && node->kind != MF_NODE_ATTEMPT)
		add_usage(obj, proc);
	if (node->stream)
		mf_stream_json(obj, node->stream);
	if (node->kind == MF_NODE_S3OP && proc) {
		mf_json_u64(obj, "inputs", proc->s3_inputs);
		mf_json_u64(obj, "results", proc->s3_results);
		mf_json_u64(obj, "retry_files", proc->s3_retries);
	}
	if (node->kind == MF_NODE_FORK && proc)
		add_fork(obj, proc);
	if (node->function.len)
		mf_json_str(obj, "function", node->function);
	if (node->tid)
		mf_json_u64(obj, "tid", node->tid);
}

static cJSON *one_node(const struct mf_node *node)
{
	cJSON *obj = cJSON_CreateObject();
	uint64_t index;

	if (!obj)
		return NULL;
	mf_json_str(obj, "id", node->id);
	mf_json_str(obj, "kind", mf_str(mf_node_kind_word(node->kind)));
	mf_json_str(obj, "name", node->name);
	if (node->pathspec.len)
		mf_json_str(obj, "pathspec", node->pathspec);
	if (node->attempt >= 0)
		mf_json_i64(obj, "attempt", node->attempt);
	if (mf_str_u64(mf_node_split_index(node), &index))
		mf_json_u64(obj, "split_index", index);
	if (node->pid)
		mf_json_u64(obj, "pid", node->pid);
	if (node->ppid)
		mf_json_u64(obj, "ppid", node->ppid);
	add_argv(obj, node->argv);
	mf_json_time(obj, "start", node->start_ns);
	mf_json_time(obj, "end", node->end_ns);
	mf_json_str(obj, "state", mf_str(mf_node_state_word(node->state)));
	add_exit(obj, &node->exit);
	if (node->blame != MF_BLAME_NONE)
		mf_json_str(obj, "blame", mf_str(mf_blame_word(node->blame)));
	if (node->note.len)
		mf_json_str(obj, "note", node->note);
	add_details(obj, node);
	cJSON_AddArrayToObject(obj, "children");
	return obj;
}

/* The depth of a tree is bounded, so this may recurse. */
cJSON *mf_node_json(const struct mf_node *node)
{
	cJSON *obj = one_node(node);
	cJSON *children = cJSON_GetObjectItemCaseSensitive(obj, "children");
	const struct mf_node *child;
	cJSON *one;

	if (!children)
		goto fail;
	for (child = node->first; child; child = child->next) {
		one = mf_node_json(child);
		if (!one || !cJSON_AddItemToArray(children, one))
			goto fail;
	}
	return obj;

fail:
	cJSON_Delete(obj);
	return NULL;
}
